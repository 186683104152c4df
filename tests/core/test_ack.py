"""Facts about what acknowledges a push, and what is said when an answer does not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspush.core.ack import judge
from statuspush.core.hints import hint
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.outcome import Answered, Cause, Outcome, Unanswered, Verdict

BOM = b"\xef\xbb\xbf"
ACKNOWLEDGEMENT = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\n\r\x0b\x0c]*(?:SUCCESS|0)[ \t\n\r\x0b\x0c]*")


def said(status, answer, lang="en", **answered):
    verdict = judge(Answered(status, answer, **answered), VOICE_STATUS)
    return hint(verdict, VOICE_STATUS).to(lang)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize(
    "answer",
    [
        b"SUCCESS",
        b"0",
        b"SUCCESS\n",
        b"\r\n\t \x0b\x0cSUCCESS \r\n",
        BOM + b"SUCCESS",
        BOM + b" 0 ",
        b"SUCCESS" + b" " * 57,
    ],
)
def test_success_and_zero_acknowledge(status, answer):
    assert judge(Answered(status, answer), VOICE_STATUS).acknowledged


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b" ",
        BOM,
        b'"SUCCESS"',
        b"'SUCCESS'",
        b"success",
        b"Success",
        b"SUCCES",
        b"SUCCESS!",
        b"SUCCESS SUCCESS",
        b"00",
        b"0 0",
        b"+0",
        b"-0",
        b"0.0",
        b'"0"',
        b"1",
        b"ok",
        b'{"code":0}',
        b"[0]",
        b"<p>SUCCESS</p>",
        b" " + BOM + b"SUCCESS",
        BOM + BOM + b"SUCCESS",
        b"SUCCESS\x00",
        "SUCCESS\u3000".encode(),
        "SUCCESS\u00a0".encode(),
        "ＳＵＣＣＥＳＳ".encode(),
        "０".encode(),
        "SUCCESS".encode("utf-16"),
        b"SUCCESS" + b" " * 58,
    ],
)
def test_any_other_answer_is_wrong(answer):
    assert judge(Answered(200, answer), VOICE_STATUS).outcome is Outcome.WRONG_ANSWER


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (100, Outcome.HTTP_ERROR),
        (199, Outcome.HTTP_ERROR),
        (300, Outcome.REDIRECT),
        (301, Outcome.REDIRECT),
        (302, Outcome.REDIRECT),
        (304, Outcome.REDIRECT),
        (308, Outcome.REDIRECT),
        (399, Outcome.REDIRECT),
        (400, Outcome.HTTP_ERROR),
        (404, Outcome.HTTP_ERROR),
        (413, Outcome.TOO_LARGE),
        (500, Outcome.HTTP_ERROR),
        (503, Outcome.HTTP_ERROR),
        (999, Outcome.HTTP_ERROR),
    ],
)
def test_success_with_another_status_than_2xx_acknowledges_nothing(status, outcome):
    assert judge(Answered(status, b"SUCCESS"), VOICE_STATUS).outcome is outcome


def test_an_answer_that_went_on_beyond_what_was_read_is_wrong():
    assert (
        judge(Answered(200, b"SUCCESS", complete=False), VOICE_STATUS).outcome
        is Outcome.WRONG_ANSWER
    )


@pytest.mark.parametrize("encoding", ["gzip", "br", "x-unknown"])
def test_an_encoded_answer_is_wrong_whatever_its_bytes(encoding):
    verdict = judge(Answered(200, b"SUCCESS", content_encoding=encoding), VOICE_STATUS)
    assert (verdict.outcome, verdict.detail) == (
        Outcome.WRONG_ANSWER,
        f"content-encoding: {encoding}",
    )


@pytest.mark.parametrize("cause", list(Cause))
def test_no_answer_keeps_its_cause_and_detail(cause):
    verdict = judge(Unanswered(cause, "errno 42"), VOICE_STATUS)
    assert (verdict.outcome.value, verdict.http_status, verdict.answer, verdict.detail) == (
        cause.value,
        None,
        b"",
        "errno 42",
    )
    assert not verdict.acknowledged


def test_the_first_256_bytes_of_the_answer_are_kept():
    assert judge(Answered(500, b"x" * 1000), VOICE_STATUS).answer == b"x" * 256


@given(
    st.lists(
        st.sampled_from(
            [
                b"SUCCESS",
                b"0",
                BOM,
                b" ",
                b"\n",
                b"\x0b",
                b"\x00",
                b"\x85",
                b"\xa0",
                b'"',
                b"success",
            ]
        ),
        max_size=8,
    ).map(b"".join)
    | st.binary(max_size=70)
)
def test_exactly_the_bytes_of_the_rule_acknowledge(answer):
    allowed = len(answer) <= 64 and ACKNOWLEDGEMENT.fullmatch(answer) is not None
    assert judge(Answered(200, answer), VOICE_STATUS).acknowledged is allowed


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (200, b'"SUCCESS"', "the answer has quotation marks around SUCCESS"),
        (200, b"'0'", "the answer has quotation marks around 0"),
        (200, b"success", "not in capital letters"),
        (200, b"", "the answer is empty"),
        (200, b"\n", "the answer is empty"),
        (200, b'{"code":0}', "JSON: answer with the bare string SUCCESS"),
        (200, b"<!doctype html>" + b"x" * 300, "an HTML page"),
        (200, b"00", "more than one zero"),
        (200, b"SUCCESS, thank you", "other text besides SUCCESS"),
        (200, b"ok", "neither SUCCESS nor 0"),
        (200, b"SUCCESS" + b" " * 58, "longer than 64 bytes"),
        (200, b"\x1f\x8b\x08rest", "compressed"),
        (204, b"", "the answer is empty"),
        (301, b"", "https"),
        (400, b"no", "HTTP 400"),
        (401, b"", "asks for a login"),
        (403, b"", "forbids"),
        (404, b"", "check the path"),
        (405, b"", "does not take POST"),
        (413, b"", "byte cap"),
        (415, b"", "x-www-form-urlencoded"),
        (429, b"", "rate"),
        (500, b"SUCCESS", "the answer was SUCCESS, but with HTTP 500"),
        (500, b"Traceback", "look for the error in its log"),
        (502, b"", "gateway"),
    ],
)
def test_the_hint_names_the_mistake(status, answer, words):
    assert words in said(status, answer)


def test_the_hint_of_an_encoded_answer_says_compressed():
    assert "compressed" in said(200, b"SUCCESS", content_encoding="gzip")


def test_the_hint_of_an_unfinished_answer_says_too_long():
    assert "longer than 64 bytes" in said(200, b"SUCCESS", complete=False)


def test_the_hint_speaks_chinese():
    assert said(200, b'"SUCCESS"', "zh").startswith("应答的 SUCCESS 带有引号")


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_a_hint_of_its_own_with_the_detail_behind_it(cause):
    hints = {each: hint(Verdict(Outcome(each.value)), VOICE_STATUS).en for each in Cause}
    assert list(hints.values()).count(hints[cause]) == 1
    said = hint(Verdict(Outcome(cause.value), detail="why"), VOICE_STATUS)
    assert said.en == f"{hints[cause]} (why)"
    assert said.zh.endswith("（why）")


def test_an_acknowledgement_needs_no_hint():
    assert said(200, b"SUCCESS") == "acknowledged"


@given(
    st.sampled_from(list(Outcome)),
    st.none() | st.integers(100, 599),
    st.binary(max_size=80),
    st.sampled_from(["en", "zh"]),
)
def test_every_outcome_has_a_hint_of_one_sentence(outcome, status, answer, lang):
    text = hint(Verdict(outcome, status, answer), VOICE_STATUS).to(lang)
    assert text
    assert "\n" not in text
