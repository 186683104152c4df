"""Facts about a kind of report: the core takes everything about it from its one module."""

import dataclasses
import json
from zoneinfo import ZoneInfo

import pytest
from tests.kinds.sms_reply import SMS_REPLY, ReplySubmission

from statuspush.core.ack import judge
from statuspush.core.batch import NO_TEXT, fingerprint, make_batch
from statuspush.core.contract import Wire
from statuspush.core.decode import NotAPush, decode
from statuspush.core.fragment import found_in, json_lines, sample_fragments, uniques_in
from statuspush.core.hints import hint
from statuspush.core.kinds import KINDS, VOICE_STATUS
from statuspush.core.lifecycle import Exhaust, Retry, decide
from statuspush.core.outcome import Answered, Outcome
from statuspush.core.report import InvalidReports, read_submissions
from statuspush.core.wire import body, encoded_size, fit
from statuspush.intake.read import Format, read_reports

SHANGHAI = ZoneInfo("Asia/Shanghai")
GOOD = {"account": "acme", "id": "r1", "phone": "+37258483726", "result": 3}
REPLIES = [
    ReplySubmission("acme", "r1", "+37258483726", 3),
    ReplySubmission("acme", '50% "用户"', "15205201314", None),
]
SENT = [
    {"id": "r1", "phone": "+37258483726", "result": 3},
    {"id": '50% "用户"', "phone": "15205201314", "result": None},
]
HELD = b"\n".join(SMS_REPLY.fragments(REPLIES))


def read(*values):
    text = json.dumps(list(values)).encode()
    return read_submissions(text, SMS_REPLY, ndjson=False, tz=SHANGHAI)


every_kind = pytest.mark.parametrize(
    "kind", [*KINDS.values(), SMS_REPLY], ids=lambda kind: kind.name
)


@every_kind
def test_its_samples_are_good_submissions(kind):
    values = [{key: getattr(s, key) for key in ("account", *kind.keys)} for s in kind.samples]
    read_again = read_submissions(json.dumps(values).encode(), kind, ndjson=False, tz=SHANGHAI)
    assert read_again == list(kind.samples)


@every_kind
def test_its_fragments_spell_out_to_its_keys_in_order(kind):
    for line in json_lines(sample_fragments(kind), kind).splitlines():
        assert tuple(json.loads(line)) == kind.keys


@every_kind
@pytest.mark.parametrize("wire", Wire)
def test_its_samples_survive_each_wire_form(kind, wire):
    pushed = decode(body(sample_fragments(kind), wire, kind), kind)
    assert [kind.received(report).typed() for report in pushed] == [
        {key: getattr(sample, key) for key in kind.keys} for sample in kind.samples
    ]


@every_kind
def test_each_field_has_a_schema_and_takes_its_own_samples(kind):
    for field in kind.fields:
        assert field.schema(SHANGHAI)["type"] == field.json_type
        for sample in kind.samples:
            assert field.check(getattr(sample, field.key), SHANGHAI) is None


def test_a_submission_is_read_by_the_rules_of_its_kind():
    assert read(GOOD, {"account": "b", "id": "r2", "phone": "110"}) == [
        ReplySubmission(**GOOD),
        ReplySubmission("b", "r2", "110", None),
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "x" * 9}, "id"),
        ({"phone": "nobody"}, "phone"),
        ({"result": 10}, "result"),
        ({"result": "3"}, "result"),
        ({"account": "-"}, "account"),
        ({"sid": "s"}, "sid"),
    ],
)
def test_a_mistake_is_named_with_index_and_field(change, field):
    with pytest.raises(InvalidReports) as refusal:
        read(GOOD, {**GOOD, **change})
    (error,) = refusal.value.errors
    assert (error.index, error.field) == (1, field)
    assert error.words.en != error.words.zh


def test_a_message_lists_the_fields_of_the_kind():
    with pytest.raises(InvalidReports) as refusal:
        read({**GOOD, "mobile": "1"})
    assert "account, id, phone, result" in refusal.value.errors[0].words.en


def test_a_batch_names_its_kind_and_has_fingerprints_of_its_search_keys():
    made = make_batch(REPLIES, SMS_REPLY)
    assert (made.kind, made.accounts, made.counts, made.bodies) == (
        "sms_reply", ["acme"], [2], [HELD],
    )  # fmt: skip
    keys = memoryview(made.keys).cast("Q").tolist()
    assert keys == [
        *(fingerprint(reply.id) for reply in REPLIES),
        *(fingerprint(reply.phone) for reply in REPLIES),
        NO_TEXT,
        NO_TEXT,
    ]
    assert make_batch(REPLIES[:1], SMS_REPLY).keys == memoryview(made.keys).cast("Q")[::2].tobytes()


def test_what_is_stored_is_found_by_its_search_keys():
    assert uniques_in(HELD, SMS_REPLY) == ["r1", '50% "用户"']
    assert [SMS_REPLY.texts_of(found) for found in found_in(HELD, SMS_REPLY)] == [
        ("r1", "+37258483726", None),
        ('50% "用户"', "15205201314", None),
    ]


@pytest.mark.parametrize("wire", Wire)
def test_a_push_has_its_kinds_parameter_and_reports(wire):
    pushed = body(HELD, wire, SMS_REPLY)
    assert pushed.startswith(b"sms_reply=%")
    assert decode(pushed, SMS_REPLY) == SENT
    assert encoded_size(HELD, wire, SMS_REPLY) == len(pushed)
    assert fit(HELD, wire, len(pushed), SMS_REPLY) == 2
    assert fit(HELD, wire, len(pushed) - 1, SMS_REPLY) == 1


def test_a_push_of_another_kind_is_no_push():
    with pytest.raises(NotAPush, match="no parameter sms_reply"):
        decode(body(sample_fragments(VOICE_STATUS), Wire.ROBUST, VOICE_STATUS), SMS_REPLY)


def test_a_unique_id_sent_as_a_number_becomes_text():
    assert decode(b'[{"id":7}]', SMS_REPLY) == [{"id": "7"}]
    with pytest.raises(NotAPush, match="report 0 has no id"):
        decode(b'[{"sid":"7"}]', SMS_REPLY)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b" OK\n", Outcome.ACKNOWLEDGED),
        (b"SUCCESS", Outcome.WRONG_ANSWER),
        (b"0", Outcome.WRONG_ANSWER),
        (b"OK" + b" " * 7, Outcome.WRONG_ANSWER),
    ],
)
def test_an_answer_is_judged_by_the_kind(answer, outcome):
    assert judge(Answered(200, answer), SMS_REPLY).outcome is outcome


@pytest.mark.parametrize("answer", [b"", b'"OK"', b"ok", b"SUCCESS", b"{}", b"OK, thanks"])
def test_a_hint_recommends_the_answer_of_the_kind(answer):
    words = hint(judge(Answered(200, answer), SMS_REPLY), SMS_REPLY)
    assert "OK" in words.en
    assert "OK" in words.zh
    assert "SUCCESS" not in words.en + words.zh


def test_the_sixth_failure_exhausts():
    decisions = [
        decide(
            Outcome.TIMEOUT,
            failures=failures,
            reports=1,
            ended_at=0,
            retry_interval_ms=60_000,
            kind=SMS_REPLY,
        )
        for failures in range(6)
    ]
    assert decisions == [Retry(60_000)] * 5 + [Exhaust()]


def test_the_columns_of_a_file_are_the_kinds(tmp_path):
    file = tmp_path / "replies.csv"
    file.write_text("id,phone,result\nr1,+372,3\nr2,110,\nr3,110,many\n")
    with file.open("rb") as stream:
        lines = list(read_reports(stream, Format.AUTO, file.name, "acme", SMS_REPLY))
    assert [json.loads(line.json)["result"] for line in lines[:2]] == [3, None]
    assert lines[2].error == "result: must be an integer, not 'many'"


@pytest.mark.parametrize(
    "change",
    [
        {"fields": SMS_REPLY.fields[:2]},
        {"search": ("phone", "id")},
        {"search": ("id", "result", "phone", "id")},
        {"spelled": ((b"a", b"x"),)},
        {"spelled": ((b"\n", b"x"),)},
        {"spelled": ((b"\x01", b"x"), (b"\x01", b"y"))},
        {"received": VOICE_STATUS.received},
    ],
)
def test_a_kind_whose_parts_disagree_cannot_be_made(change):
    parts = {
        field.name: getattr(SMS_REPLY, field.name)
        for field in dataclasses.fields(SMS_REPLY)
        if field.init
    }
    with pytest.raises(ValueError, match="sms_reply: "):
        type(SMS_REPLY)(**parts | change)
