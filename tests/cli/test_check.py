"""``check``: what it says of a right endpoint, and of some that are wrong in a known way."""

import json
import ssl
from datetime import UTC, datetime

import pytest
import trustme
from standardwebhooks.webhooks import Webhook
from tests.cli import checking_servers as servers
from tests.cli.checking_servers import serving

from statuspush.cli.checking import advice, course, echo
from statuspush.cli.checking.cases import Cases
from statuspush.cli.checking.differences import why
from statuspush.cli.checking.findings import of_case
from statuspush.cli.checking.limits import likely
from statuspush.cli.checking.probe import Seen
from statuspush.core.ack import judge
from statuspush.core.contract import Wire
from statuspush.core.decode import NotAPush, decode
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.outcome import Answered


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(course, "DRIP_SECONDS", 0.4)
    monkeypatch.setattr(echo, "WAIT_SECONDS", 0.4)


@pytest.fixture
def checked(cli, tmp_path):
    """Check an endpoint; the exit status and the cases by name."""

    def check(kind, *arguments):
        shown = tmp_path / "echo"
        shown.touch()
        endpoint = kind(shown)
        check.endpoint = endpoint
        with serving(endpoint) as url:
            names = {"ECHO": str(shown), "ECHO-URL": url.replace("status", "echo")}
            result = cli("check", url, "--json", *(names.get(each, each) for each in arguments))
        document = json.loads(result.stdout)
        assert document["right"] is (result.exit_code == 0)
        return result.exit_code, {case["name"]: case for case in document["cases"]}

    return check


def grades(cases):
    return {case["grade"] for case in cases.values()}


# a right endpoint


def test_a_right_endpoint_passes_with_every_field(checked):
    status, cases = checked(servers.Right, "--echo-file", "ECHO")
    assert status == 0
    assert grades(cases) == {"ok"}
    assert {"robust", "double", "repeat", "full-robust", "slow", "get", "echo"} <= set(cases)


def test_the_echo_may_be_a_url(checked):
    status, cases = checked(servers.Right, "--quick", "--echo-url", "ECHO-URL")
    assert (status, cases["echo"]["grade"]) == (0, "ok")


def test_an_endpoint_behind_tls_is_checked_likewise(cli, tmp_path, monkeypatch):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with serving(servers.Right(tmp_path / "echo"), tls) as url:
        cases = json.loads(cli("check", url, "--json").stdout)["cases"]
    assert {case["name"]: case["grade"] for case in cases if case["grade"] != "ok"} == {}
    assert {"slow", "beside", "put"} <= {case["name"] for case in cases}


def test_quick_leaves_out_what_is_large_or_slow(checked):
    _, cases = checked(servers.Right, "--quick")
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
    checked(servers.Right, "--quick")
    (again,) = [x for x in checked.endpoint.requests if x[0]["x-push-attempt"] == "2"]
    same = [x for x in checked.endpoint.requests if x[0]["webhook-id"] == again[0]["webhook-id"]]
    assert [x[0]["x-push-attempt"] for x in same] == ["1", "2"]
    assert same[0][1] == same[1][1]


def test_full_pushes_are_as_large_as_real_ones_get():
    for wire in (Wire.ROBUST, Wire.DOUBLE):
        assert 180_000 < len(Cases().full(wire).body) < 285_000


def test_pushes_are_signed_and_have_the_headers_asked_for(checked):
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    checked(servers.Right, "--quick", "--secret", secret, "--header", "X-Team: voice")
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
    status, cases = checked(kind, "--quick")
    assert status == 1
    assert en in cases["robust"]["advice"]
    assert zh in cases["robust"]["advice_zh"]


def test_who_acknowledges_rubbish_is_told(checked):
    status, cases = checked(servers.AlwaysYes, "--quick")
    assert status == 1
    rubbish = ("no-parameter", "not-json", "bad-encoding", "half", "get", "put")
    assert {cases[name]["grade"] for name in rubbish} == {"fail"}
    assert cases["robust"]["grade"] == "ok"
    assert "POST only" in cases["get"]["advice"]


def test_a_crash_on_rubbish_is_a_remark(checked):
    status, cases = checked(servers.Crashes, "--quick")
    assert (status, cases["not-json"]["grade"]) == (0, "warn")


def test_silence_on_rubbish_is_a_failure(checked):
    status, cases = checked(servers.HangsOnRubbish, "--quick", "--timeout", "0.3")
    assert (status, cases["not-json"]["grade"]) == (1, "fail")


def test_a_value_that_breaks_is_named(checked):
    status, cases = checked(servers.WantsUids, "--quick")
    assert status == 1
    assert "uid null" in cases["values-robust"]["advice"]
    assert "mobile" not in cases["values-robust"]["advice"]
    assert cases["repeat"]["grade"] == "ok"


def test_decoding_once_only_is_named(checked):
    status, cases = checked(servers.DecodesOnce, "--quick")
    assert status == 1
    assert "decode until the text is JSON" in cases["double"]["advice"]
    assert cases["plain"]["grade"] == "ok"


def test_an_endpoint_that_changes_its_mind_is_told(checked):
    status, cases = checked(servers.Unsteady, "--quick")
    assert status == 1
    assert "acknowledged when it was sent again" in cases["plain"]["advice"]


# time


def test_slowness_is_a_remark(checked):
    status, cases = checked(servers.SlowAtFirst, "--quick")
    assert (status, cases["robust"]["grade"]) == (0, "warn")
    assert "1.1 s" in cases["robust"]["advice"]


def test_more_than_five_seconds_are_a_failure():
    (case, *_) = Cases().wire_forms()
    verdict = judge(Answered(200, b"SUCCESS"), VOICE_STATUS)
    assert [of_case(Seen(case, verdict, s)).grade for s in (1.0, 1.1, 5.0, 5.1)] == [
        "ok",
        "warn",
        "warn",
        "fail",
    ]


def test_who_holds_up_others_is_told(checked):
    status, cases = checked(servers.OneByOne)
    assert (status, cases["slow"]["grade"]) == (1, "ok")
    assert "side by side" in cases["beside"]["advice"]


def test_a_slow_body_may_be_refused(checked):
    status, cases = checked(servers.Impatient)
    assert (status, cases["slow"]["grade"], cases["beside"]["grade"]) == (0, "warn", "ok")


def test_a_silent_endpoint_is_not_waited_for_again(checked):
    status, cases = checked(servers.Hangs, "--timeout", "0.3")
    assert (status, list(cases)) == (1, ["robust"])
    assert "no complete answer came in time" in cases["robust"]["advice"]


# size


def test_a_limit_is_found_and_whose_default_it_is(checked):
    status, cases = checked(servers.Limited)
    assert status == 1
    assert cases["size"]["status"] == 413
    assert "Express" in cases["size"]["advice"]
    assert "express.urlencoded" in cases["size"]["advice"]
    taken = int(cases["size"]["advice"].split("max_bytes to ")[1].split()[0])
    assert 99_000 < taken <= servers.Limited.limit


def test_a_limit_without_413_is_found_too(checked):
    status, cases = checked(servers.ResetsWhatIsLarge)
    assert (status, cases["size"]["status"]) == (1, None)
    assert "the connection is closed at 10" in cases["size"]["advice"]
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
    status, cases = checked(servers.DecodesOnceMore, "--quick", "--echo-file", "ECHO")
    assert status == 1
    assert cases["echo-mobile"]["advice"] == (
        'mobile: sent "+37258483726", you understood " 37258483726": '
        "it was URL-decoded once too often"
    )


def test_a_wrong_charset_is_seen_in_the_fields(checked):
    _, cases = checked(servers.Latin, "--quick", "--echo-file", "ECHO")
    assert "UTF-8 was read as ISO-8859-1" in cases["echo-error_msg"]["advice"]


def test_a_repeat_that_is_handled_twice_is_seen(checked):
    status, cases = checked(servers.HandlesTwice, "--quick", "--echo-file", "ECHO")
    assert status == 1
    assert "2 times" in cases["echo-twice"]["advice"]


def test_what_was_acknowledged_and_is_not_there_is_missed(checked):
    class Forgets(servers.Right):
        def keep(self, reports):
            super().keep([r for r in reports if r["uid"]])

    status, cases = checked(Forgets, "--quick", "--echo-file", "ECHO")
    assert status == 1
    assert "acknowledged and not there: 6 reports" in cases["echo-missing"]["advice"]


def test_an_echo_with_nothing_of_ours_is_one_finding(checked, tmp_path):
    (tmp_path / "other").write_text('{"sid":"of yesterday"}\n')
    status, cases = checked(servers.Right, "--quick", "--echo-file", str(tmp_path / "other"))
    assert status == 1
    assert "shows no report of this check" in cases["echo"]["advice"]


def test_an_echo_that_cannot_be_read_is_a_wrong_call(cli, tmp_path):
    (tmp_path / "echo").write_text("hello\n")
    endpoint = servers.Right(tmp_path / "kept")
    with serving(endpoint) as url:
        wrong = cli("check", url, "--echo-file", "echo")
        nowhere = cli("check", url, "--echo-url", url)
    assert (wrong.exit_code, nowhere.exit_code) == (2, 2)
    assert "not JSON lines: line 1" in wrong.stderr
    assert "HTTP 405" in nowhere.stderr
    assert endpoint.requests == []


@pytest.mark.parametrize(
    ("sent", "understood", "words"),
    [
        ("%2B", "+", "once too often"),
        ("50%", "50%25", "once too seldom"),
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
        ("2024-05-17 10:22:33", "2024-05-17T02:22:33Z", "moved by -8 h"),
        ("2024-05-17 10:22:33", "2024-05-17T10:22:33", "in another form"),
    ],
)
def test_a_difference_has_a_cause(sent, understood, words):
    found = why(sent, understood)
    assert found is not None
    assert words in found.en


# calls


def test_of_an_endpoint_that_is_not_there_only_that_is_said(cli):
    result = cli("check", "http://127.0.0.1:1/", "--json")
    (case,) = json.loads(result.stdout)["cases"]
    assert result.exit_code == 1
    assert "nothing accepts connections" in case["advice"]


def test_of_a_wrong_path_only_that_is_said(checked):
    class Elsewhere(servers.Right):
        def post(self, headers, read):
            read()
            return 404, b"<html>"

    status, cases = checked(Elsewhere)
    assert (status, list(cases)) == (1, ["robust"])
    assert "check the path of the URL" in cases["robust"]["advice"]


def test_an_endpoint_that_falls_silent_is_given_up(checked):
    class Falls(servers.Hangs):
        def post(self, headers, read):
            if self.requests:
                return super().post(headers, read)
            return servers.Right.post(self, headers, read)

    status, cases = checked(Falls, "--timeout", "0.2")
    assert (status, cases["robust"]["grade"]) == (1, "ok")
    assert list(cases)[-1] == "rest"
    assert "the rest was not sent" in cases["rest"]["advice"]


def test_private_addresses_can_be_refused(cli, tmp_path):
    endpoint = servers.Right(tmp_path / "echo")
    with serving(endpoint) as url:
        result = cli("check", url, "--no-allow-private")
    assert result.exit_code == 1
    assert "may not be called" in result.stdout
    assert endpoint.requests == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["ftp://127.0.0.1/"],
        ["http://127.0.0.1:1/", "--secret", "short"],
        ["http://127.0.0.1:1/", "--header", "Host: x"],
        ["http://127.0.0.1:1/", "--echo-url", "http://127.0.0.1:1/", "--echo-file", "x"],
    ],
)
def test_a_wrong_call_is_status_2(cli, arguments):
    assert cli("check", *arguments).exit_code == 2


def test_people_get_a_table_in_their_language(cli, tmp_path):
    with serving(servers.Right(tmp_path / "echo")) as url:
        english = cli("check", url, "--quick").stdout
        chinese = cli("check", url, "--quick", LANG="zh_CN.UTF-8").stdout
        assert cli("check", url, "--quick", "--lang", "en", LANG="zh_CN.UTF-8").stdout.endswith(
            "all right\n"
        )
    assert english.endswith("all right\n")
    assert "one report, encoded twice" in english
    assert chinese.endswith("全部正确\n")
    assert "一条报告，编码两次" in chinese


def test_the_same_advice_is_given_once(cli, tmp_path):
    with serving(servers.Quotes(tmp_path / "echo")) as url:
        text = cli("check", url, "--quick").stdout
    assert text.count("quotation marks") == 1
    assert text.endswith("\n1 to fix\n")


def test_all_words_are_in_both_languages():
    fixed = [value for value in vars(advice).values() if isinstance(value, advice.Words)]
    assert len(fixed) > 8
    assert all(words.en.isascii() and not words.zh.isascii() for words in fixed)
