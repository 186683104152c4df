"""The check: what it says of a right endpoint, and of some that are wrong in a known way."""

import asyncio
import ssl
from contextlib import aclosing
from datetime import UTC, datetime

import pytest
import trustme
from standardwebhooks.webhooks import Webhook
from tests.check import checking_servers as servers
from tests.check.checking_servers import serving
from tests.check.conftest import findings_of

from statuspush.check import advice
from statuspush.check.cases import Cases
from statuspush.check.checking import Trying, check_endpoint
from statuspush.check.differences import why
from statuspush.check.echo import Echo
from statuspush.check.findings import of_case
from statuspush.check.limits import likely
from statuspush.check.probe import Reaction
from statuspush.core.ack import judge
from statuspush.core.contract import Wire
from statuspush.core.decode import NotAPush, decode
from statuspush.core.errors import InputError
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.outcome import Answered


def grades(cases):
    return {case["grade"] for case in cases.values()}


# a right endpoint


def test_a_right_endpoint_passes_with_every_field(checked):
    right, cases = checked(servers.Right, echo="file")
    assert right
    assert grades(cases) == {"ok"}
    assert {"robust", "double", "repeat", "full-robust", "slow", "get", "echo"} <= set(cases)


def test_the_echo_may_be_a_url(checked):
    right, cases = checked(servers.Right, quick=True, echo="url")
    assert (right, cases["echo"]["grade"]) == (True, "ok")


def test_an_endpoint_behind_tls_is_checked_likewise(tmp_path, monkeypatch):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with serving(servers.Right(tmp_path / "echo"), tls) as url:
        found = findings_of(url)
    assert {each.name: each.grade for each in found if each.grade != "ok"} == {}
    assert {"slow", "beside", "put"} <= {each.name for each in found}


def test_quick_leaves_out_what_is_large_or_slow(checked):
    _, cases = checked(servers.Right, quick=True)
    assert not {"full-robust", "size", "slow", "beside"} & set(cases)
    assert {"at-once", "not-json"} <= set(cases)
    assert max(len(body) for _, body in checked.endpoint.requests) < 10_000


def test_what_is_sent_is_marked_as_a_test(checked):
    checked(servers.Right)
    bodies = [body for headers, body in checked.endpoint.requests]
    reports = [report for body in bodies if b"sid" in body[:60] for report in _decoded(body)]
    assert len(reports) > 1000
    assert all(report["sid"].startswith("check") and len(report["sid"]) <= 32 for report in reports)
    assert {str(report["uid"])[:16] for report in reports} == {"statuspush-check", "None", ""}


def _decoded(body):
    try:
        return decode(body, VOICE_STATUS)
    except NotAPush:
        return []


def test_a_repeat_is_the_same_push_again(checked):
    checked(servers.Right, quick=True)
    (again,) = [x for x in checked.endpoint.requests if x[0]["x-push-attempt"] == "2"]
    same = [x for x in checked.endpoint.requests if x[0]["webhook-id"] == again[0]["webhook-id"]]
    assert [x[0]["x-push-attempt"] for x in same] == ["1", "2"]
    assert same[0][1] == same[1][1]


def test_full_pushes_are_as_large_as_real_ones_get():
    for wire in (Wire.ROBUST, Wire.DOUBLE):
        assert 180_000 < len(Cases().full(wire).body) < 285_000


def test_pushes_are_signed_and_have_the_headers_asked_for(checked):
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    checked(servers.Right, quick=True, secret=secret, headers=[("X-Team", "voice")])
    for headers, body in checked.endpoint.requests:
        sent_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        signed = Webhook(secret).sign(headers["webhook-id"], sent_at, body.decode())
        assert headers["webhook-signature"] == signed
        assert headers["x-team"] == "voice"


# wrong answers


@pytest.mark.parametrize(
    ("kind", "en", "zh"),
    [
        (servers.Quotes, "quotation marks", "引号"),
        (servers.Empty, "the answer is empty", "应答为空"),
        (servers.LowerCase, "not in capital letters", "不是全大写"),
    ],
)
def test_a_wrong_answer_is_named(checked, kind, en, zh):
    right, cases = checked(kind, quick=True)
    assert not right
    assert en in cases["robust"]["advice"]
    assert zh in cases["robust"]["advice_zh"]


def test_who_acknowledges_rubbish_is_told(checked):
    right, cases = checked(servers.AlwaysYes, quick=True)
    assert not right
    rubbish = ("no-parameter", "not-json", "bad-encoding", "half", "get", "put")
    assert {cases[name]["grade"] for name in rubbish} == {"fail"}
    assert cases["robust"]["grade"] == "ok"
    assert "POST only" in cases["get"]["advice"]


def test_a_crash_on_rubbish_is_a_remark(checked):
    right, cases = checked(servers.Crashes, quick=True)
    assert (right, cases["not-json"]["grade"]) == (True, "warn")


def test_silence_on_rubbish_is_a_failure(checked):
    right, cases = checked(servers.HangsOnRubbish, quick=True, seconds=0.3)
    assert (right, cases["not-json"]["grade"]) == (False, "fail")


def test_a_value_that_breaks_is_named(checked):
    right, cases = checked(servers.WantsUids, quick=True)
    assert not right
    assert "uid null" in cases["values-robust"]["advice"]
    assert "mobile" not in cases["values-robust"]["advice"]
    assert cases["repeat"]["grade"] == "ok"


def test_decoding_once_only_is_named(checked):
    right, cases = checked(servers.DecodesOnce, quick=True)
    assert not right
    assert "decode until the text is JSON" in cases["double"]["advice"]
    assert cases["plain"]["grade"] == "ok"


def test_an_endpoint_that_changes_its_mind_is_told(checked):
    right, cases = checked(servers.Unsteady, quick=True)
    assert not right
    assert "acknowledged when it was sent again" in cases["plain"]["advice"]


# time


def test_slowness_is_a_remark(checked):
    right, cases = checked(servers.SlowAtFirst, quick=True)
    assert (right, cases["robust"]["grade"]) == (True, "warn")
    assert "1.1 s" in cases["robust"]["advice"]


def test_more_than_five_seconds_are_a_failure():
    (case, *_) = Cases().wire_forms()
    verdict = judge(Answered(200, b"SUCCESS"), VOICE_STATUS)
    assert [of_case(Reaction(case, verdict, s)).grade for s in (1.0, 1.1, 5.0, 5.1)] == [
        "ok",
        "warn",
        "warn",
        "fail",
    ]


def test_who_holds_up_others_is_told(checked):
    right, cases = checked(servers.OneByOne)
    assert (right, cases["slow"]["grade"]) == (False, "ok")
    assert "concurrently" in cases["beside"]["advice"]


def test_a_slow_body_may_be_refused(checked):
    right, cases = checked(servers.Impatient)
    assert (right, cases["slow"]["grade"], cases["beside"]["grade"]) == (True, "warn", "ok")


def test_a_silent_endpoint_is_not_waited_for_again(checked):
    right, cases = checked(servers.Hangs, seconds=0.3)
    assert (right, list(cases)) == (False, ["robust"])
    assert "no complete answer came in time" in cases["robust"]["advice"]


# size


def test_a_limit_is_found_and_whose_default_it_is(checked):
    right, cases = checked(servers.Limited)
    assert not right
    assert cases["size"]["status"] == 413
    assert "Express" in cases["size"]["advice"]
    assert "express.urlencoded" in cases["size"]["advice"]
    taken = int(cases["size"]["advice"].split("max_bytes to ")[1].split()[0])
    assert 99_000 < taken <= servers.Limited.limit


def test_a_limit_without_413_is_found_too(checked):
    right, cases = checked(servers.ResetsWhatIsLarge)
    assert (right, cases["size"]["status"]) == (False, None)
    assert "connection closed at 10" in cases["size"]["advice"]
    assert "there is no 413" in cases["size"]["advice"]


@pytest.mark.parametrize(
    ("taken", "refused", "whose"),
    [
        (56_500, 58_000, ["koa-bodyparser, 56 kB"]),
        (101_000, 103_000, ["Express, 100 kB", "Play, 100 kB"]),
        (199_000, 200_900, ["Jetty, 200,000 bytes"]),
        (150_000, 152_000, []),
    ],
)
def test_limits_are_told_apart(taken, refused, whose):
    assert [name for name, _ in likely(taken, refused)] == whose


# the echo


def test_decoding_once_too_often_is_seen_in_the_fields(checked):
    right, cases = checked(servers.DecodesOnceMore, quick=True, echo="file")
    assert not right
    assert cases["echo-mobile"]["advice"] == (
        'mobile: sent "+37258483726", you understood " 37258483726": '
        "it was URL-decoded once too often"
    )


def test_a_wrong_charset_is_seen_in_the_fields(checked):
    _, cases = checked(servers.Latin, quick=True, echo="file")
    assert "UTF-8 was read as ISO-8859-1" in cases["echo-error_msg"]["advice"]


def test_a_repeat_that_is_handled_twice_is_seen(checked):
    right, cases = checked(servers.HandlesTwice, quick=True, echo="file")
    assert not right
    assert "2 times" in cases["echo-twice"]["advice"]


def test_what_was_acknowledged_and_is_not_there_is_missed(checked):
    class Forgets(servers.Right):
        def keep(self, reports):
            super().keep([r for r in reports if r["uid"]])

    right, cases = checked(Forgets, quick=True, echo="file")
    assert not right
    assert "acknowledged but missing: 6 reports" in cases["echo-missing"]["advice"]


def test_an_echo_with_nothing_of_ours_is_one_finding(checked, tmp_path):
    (tmp_path / "other").write_text('{"sid":"of yesterday"}\n')
    right, cases = checked(servers.Right, quick=True, echo=Echo(file=tmp_path / "other"))
    assert not right
    assert "shows no report of this check" in cases["echo"]["advice"]


def test_an_echo_that_cannot_be_read_is_an_input_error(tmp_path):
    (tmp_path / "echo").write_text("hello\n")
    endpoint = servers.Right(tmp_path / "kept")
    with serving(endpoint) as url:
        with pytest.raises(InputError, match="not JSON lines: line 1"):
            findings_of(url, echo=Echo(file=tmp_path / "echo"))
        with pytest.raises(InputError, match="HTTP 405"):
            findings_of(url, echo=Echo(url=url))
    assert endpoint.requests == []


@pytest.mark.parametrize(
    ("sent", "understood", "words"),
    [
        ("%2B", "+", "once too often"),
        ("50%", "50%25", "one more URL-decoding"),
        (None, "", "null is not the empty string"),
        ("", None, "the empty string is not null"),
        ("a", None, "it was lost"),
        ("+37258483726", 37258483726, "keep it as text"),
        ("+37258483726", "37258483726", "keep it as text"),
        (15, "15", "a number"),
        ("a & b", "a &amp; b", "HTML"),
        ("关机", "??", "utf8mb4"),
        ("关机", "\\u5173\\u673a", "JSON parser"),
        ("关机等", "关机", "cut off after 2"),
        ("2024-05-17 10:22:33", "2024-05-17T02:22:33Z", "shifted by -8 h"),
        ("2024-05-17 10:22:33", "2024-05-17T10:22:33", "in another form"),
    ],
)
def test_a_difference_has_a_cause(sent, understood, words):
    found = why(sent, understood)
    assert found is not None
    assert words in found.en


# calls


def test_of_an_endpoint_that_is_not_there_only_that_is_said():
    (finding,) = findings_of("http://127.0.0.1:1/")
    assert finding.grade == "fail"
    assert "nothing accepts connections" in finding.advice.en


def test_of_a_wrong_path_only_that_is_said(checked):
    class Elsewhere(servers.Right):
        def post(self, headers, read):
            read()
            return 404, b"<html>"

    right, cases = checked(Elsewhere)
    assert (right, list(cases)) == (False, ["robust"])
    assert "check the path of the URL" in cases["robust"]["advice"]


def test_an_endpoint_that_falls_silent_is_given_up(checked):
    class Falls(servers.Hangs):
        def post(self, headers, read):
            if self.requests:
                return super().post(headers, read)
            return servers.Right.post(self, headers, read)

    right, cases = checked(Falls, seconds=0.2)
    assert (right, cases["robust"]["grade"]) == (False, "ok")
    assert list(cases)[-1] == "rest"
    assert "the rest was not sent" in cases["rest"]["advice"]


def test_private_addresses_are_refused_unless_they_are_allowed(tmp_path):
    endpoint = servers.Right(tmp_path / "echo")
    with serving(endpoint) as url:
        (finding,) = findings_of(url, allow_private=False)
    assert "may not be called" in finding.advice.en
    assert endpoint.requests == []


def test_each_case_is_announced_before_it_is_judged(tmp_path):
    async def first_two(url):
        async with aclosing(check_endpoint(url, allow_private=True)) as events:
            return [await anext(events), await anext(events)]

    endpoint = servers.Right(tmp_path / "echo")
    with serving(endpoint) as url:
        trying, found = asyncio.run(first_two(url))
    assert isinstance(trying, Trying)
    assert trying.title == found.title
    assert found.grade == "ok"


def test_a_check_that_is_closed_early_sends_nothing_more(tmp_path):
    async def first(url):
        async with aclosing(check_endpoint(url, allow_private=True)) as events:
            await anext(events)

    endpoint = servers.Right(tmp_path / "echo")
    with serving(endpoint) as url:
        asyncio.run(first(url))
    assert len(endpoint.requests) <= 1


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("ftp://127.0.0.1/", {}),
        ("http://127.0.0.1:1/", {"secret": "short"}),
        ("http://127.0.0.1:1/", {"headers": [("Host", "x")]}),
    ],
)
def test_a_wrong_call_is_an_input_error(url, options):
    with pytest.raises(InputError):
        findings_of(url, **options)


def test_all_words_are_in_both_languages():
    fixed = [value for value in vars(advice).values() if isinstance(value, advice.Words)]
    assert len(fixed) > 8
    assert all(words.en.isascii() and not words.zh.isascii() for words in fixed)
