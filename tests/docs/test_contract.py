"""docs/contract.md says what the code does, byte for byte; the Chinese one says the same."""

import json
import re
import sqlite3
from urllib.parse import parse_qs

import pytest

from statuspush.core import wire
from statuspush.core.ack import judge
from statuspush.core.contract import PUSH_HEADERS, Wire
from statuspush.core.fragment import json_lines, sample_fragments
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.outcome import Answered, Cause, Outcome
from statuspush.core.push_settings import PushSettings
from statuspush.core.signature import sign

BOTH = pytest.mark.parametrize("name", ["docs/contract.md", "docs/contract.zh.md"])
FRAGMENTS = sample_fragments(VOICE_STATUS)


def _after(document, comment):
    """The fenced block that follows the comment."""
    _, found, rest = document.text.partition(f"<!-- {comment} -->\n")
    assert found, comment
    return document.blocks(rest)[0][1].rstrip("\n")


@BOTH
@pytest.mark.parametrize("form", list(Wire))
def test_bodies_are_those_of_the_code(document, name, form):
    """Each wire form of the sample reports."""
    assert _after(document(name), f"body {form}").encode() == wire.body(
        FRAGMENTS, form, VOICE_STATUS
    )


@BOTH
def test_the_decoded_value_and_curl_are_those_of_the_robust_body(document, name):
    """What a receiver sees, and what a person can send by hand."""
    body = wire.body(FRAGMENTS, Wire.ROBUST, VOICE_STATUS).decode()
    (value,) = parse_qs(body)["voice_status"] if parse_qs(body) else []
    assert _after(document(name), "value robust") == value
    assert f"--data '{body}'" in _after(document(name), "curl")


@BOTH
def test_the_signature_is_that_of_the_code(document, name):
    """The example checks out."""
    lines = _after(document(name), "signature").splitlines()
    given = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    body = wire.body(FRAGMENTS, Wire.ROBUST, VOICE_STATUS)
    stamp = int(given["webhook-timestamp"])
    made = sign(given["secret"], given["webhook-id"], stamp, body)
    assert made == given["webhook-signature"]


@BOTH
def test_every_row_of_the_table_of_answers_is_judged_so(document, name):
    """Status and body come to the outcome that stands beside them."""
    doc = document(name)
    rows = doc.rows(doc.between("answers"))
    assert len(rows) > 10
    for status, body, outcome, *_ in rows:
        answer = body.strip("`").encode().decode("unicode_escape").encode("latin-1")
        assert judge(Answered(int(status), answer), VOICE_STATUS).outcome == outcome.strip("`"), (
            status,
            body,
        )


@BOTH
def test_every_outcome_is_explained(document, name):
    """In one of the two tables."""
    doc = document(name)
    answered = {row[2].strip("`") for row in doc.rows(doc.between("answers"))}
    unanswered = {row[0].strip("`") for row in doc.rows(doc.between("causes"))}
    assert unanswered == set(Cause)
    assert answered | unanswered == set(Outcome)


@BOTH
def test_headers_keys_and_numbers_are_those_of_the_contract(document, name):
    """The fixed parts."""
    doc = document(name)
    for header, value in PUSH_HEADERS:
        assert [f"`{header}`", f"`{value}`"] in doc.rows()
    rows = [row[0].strip("`") for row in doc.rows()]
    start = rows.index("sid")
    assert tuple(rows[start : start + 7]) == VOICE_STATUS.keys
    sends = [row for row in doc.rows() if len(row) == 3 and row[0] in "1234"]
    assert [row[0] for row in sends] == [str(n + 1) for n in range(VOICE_STATUS.max_sends)]
    defaults = PushSettings()
    seconds = (f"{defaults.connect_seconds:g} s", f"{defaults.timeout_seconds:g} s")
    prose = re.sub(r"(\d) ?(?:seconds|秒)", r"\1 s", doc.prose)
    assert all(text in prose for text in seconds)
    minutes = VOICE_STATUS.retry_interval_seconds // 60
    assert re.search(rf"{minutes} (minutes|分钟)", doc.prose)


def test_both_languages_have_the_same_blocks(document):
    """Nothing is only in one of them."""
    assert document("docs/contract.md").blocks() == document("docs/contract.zh.md").blocks()


@BOTH
def test_the_example_receiver_takes_every_wire_form(document, name, tmp_path, monkeypatch):
    """It is run as printed: stores every report once and acknowledges."""
    (source,) = [text for language, text in document(name).blocks() if language == "python"]
    monkeypatch.chdir(tmp_path)
    module = {"__name__": "receiver"}
    exec(compile(source, name, "exec"), module)
    client = module["app"].test_client()
    kind = dict(PUSH_HEADERS)["Content-Type"]
    try:
        for form in Wire:
            body = wire.body(FRAGMENTS, form, VOICE_STATUS)
            answer = client.post("/voice_status", data=body, content_type=kind)
            assert judge(Answered(answer.status_code, answer.data), VOICE_STATUS).acknowledged
    finally:
        module["db"].close()
    stored = sqlite3.connect(tmp_path / "calls.db")
    reports = [json.loads(row[0]) for row in stored.execute("SELECT report FROM calls")]
    stored.close()
    expected = [json.loads(line) for line in json_lines(FRAGMENTS, VOICE_STATUS).splitlines()]
    assert sorted(reports, key=str) == sorted(expected, key=str)
