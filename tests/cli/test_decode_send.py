"""``decode`` and ``send``: the contract on the command line."""

import json
from urllib.parse import parse_qs, quote

import pytest
from standardwebhooks.webhooks import Webhook

from statuspush.core.contract import Wire
from statuspush.core.fragment import sample_fragments
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.wire import body, decode

SUCCESS = (200, {}, b"SUCCESS")


def decoded(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("wire", list(Wire))
def test_decode_takes_every_wire_form(process, wire):
    """From stdin to JSON lines."""
    done = process("decode", stdin=body(sample_fragments(VOICE_STATUS), wire, VOICE_STATUS))
    assert done.returncode == 0
    assert [report["mobile"] for report in decoded(done.stdout)] == ["15205201314", "+37258483726"]
    assert "用户信号不佳、关机等".encode() in done.stdout


def test_decode_takes_a_file_and_writes_pretty(cli, tmp_path):
    """Keys that the contract doesn't know are kept."""
    (tmp_path / "body").write_text("voice_status=" + quote('{"sid":7,"more":[1]}'))
    assert json.loads(cli("decode", "body", "--pretty").stdout) == {"sid": "7", "more": [1]}


def test_decode_says_why_it_cannot(cli, tmp_path):
    """Status 2, for the input is wrong."""
    (tmp_path / "body").write_text("voice=1")
    result = cli("decode", "body")
    assert result.exit_code == 2
    assert result.stderr == "statuspush: the form has no parameter voice_status\n"
    assert cli("decode", "nowhere").stderr == "statuspush: nowhere: No such file or directory\n"


def test_send_pushes_the_samples_as_the_contract_says(cli, serve):
    """Headers letter for letter, one form parameter, X-Push-Attempt 1."""
    server = serve(lambda call: SUCCESS)
    result = cli("send", f"{server.url}/voice_status?a=1")
    assert (result.exit_code, result.stdout.startswith("✓ acknowledged")) == (0, True)
    (call,) = server.calls
    assert (call.method, call.path) == ("POST", "/voice_status?a=1")
    assert call.headers["accept"] == "application/json;charset=utf-8;"
    assert call.headers["content-type"] == "application/x-www-form-urlencoded;charset=utf-8;"
    assert call.headers["x-push-attempt"] == "1"
    assert "webhook-signature" not in call.headers
    assert list(parse_qs(call.body.decode())) == ["voice_status"]
    assert [report["sid"] for report in decode(call.body, VOICE_STATUS)] == [
        r.sid for r in VOICE_STATUS.samples
    ]


def test_send_signs(cli, serve):
    """The standardwebhooks package verifies it."""
    server = serve(lambda call: SUCCESS)
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    result = cli(
        "send", server.url, "--secret", secret, "--header", "X-Team: voice", "--attempt", "3"
    )
    assert result.exit_code == 0
    (call,) = server.calls
    assert (call.headers["x-team"], call.headers["x-push-attempt"]) == ("voice", "3")
    # It hands back the JSON of the body and ours is a form, so only the signature is checked.
    signed = Webhook(secret).sign(
        call.headers["webhook-id"], _time(call.headers["webhook-timestamp"]), call.body.decode()
    )
    assert call.headers["webhook-signature"] == signed


def _time(stamp):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(stamp), UTC)


def test_send_says_what_is_wrong_with_the_answer(cli, serve):
    """In the language of the locale, or the one asked for; status 1."""
    server = serve(lambda call: (200, {}, b'"SUCCESS"'))
    english = cli("send", server.url)
    assert english.exit_code == 1
    assert "quotation marks around SUCCESS" in english.stdout
    assert "HTTP 200, answer '\"SUCCESS\"'" in english.stdout
    assert "带有引号" in cli("send", server.url, LANG="zh_CN.UTF-8").stdout
    assert "quotation" in cli("send", server.url, "--lang", "en", LANG="zh_CN.UTF-8").stdout


def test_send_as_json(cli, serve):
    """Everything a program wants to know."""
    server = serve(lambda call: (500, {}, b"SUCCESS"))
    result = cli("send", server.url, "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["outcome"] == "http_error"
    assert (document["http_status"], document["answer"]) == (500, "SUCCESS")
    assert (document["reports"], document["body_bytes"]) == (2, len(server.calls[0].body))
    assert document["hint_zh"]


def test_send_takes_reports_from_a_file(cli, serve, tmp_path, reports):
    """An account in them is not sent; the wire form is the chosen one."""
    server = serve(lambda call: (200, {}, b" 0\r\n"))
    given = reports(3)
    (tmp_path / "r.json").write_text(json.dumps(given))
    assert cli("send", server.url, "--file", "r.json", "--wire", "double").exit_code == 0
    assert b"%255B" in server.calls[0].body
    for report in given:
        del report["account"]
    assert decode(server.calls[0].body, VOICE_STATUS) == given


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"sid":"1"}', "line 1: mobile"),
        ("nonsense\n", "line 1: unknown columns"),
        ("", "no reports"),
        ("{}\n{\n", "line 2: not a JSON object"),
    ],
)
def test_send_refuses_wrong_reports_before_anything_is_sent(cli, serve, tmp_path, content, words):
    """Status 2, with the line of the file."""
    server = serve(lambda call: SUCCESS)
    (tmp_path / "r").write_text(content)
    result = cli("send", server.url, "--file", "r")
    assert result.exit_code == 2
    assert words in result.stderr
    assert server.calls == []


def test_send_refuses_more_than_a_push_holds(cli, tmp_path, reports):
    """500, as the contract says."""
    (tmp_path / "r.json").write_text(json.dumps(reports(501)))
    assert "at most 500" in cli("send", "http://127.0.0.1:1", "--file", "r.json").stderr


def test_send_can_guard_addresses_as_the_service_does(cli, serve):
    """By default it doesn't: a person calls their own endpoint."""
    server = serve(lambda call: SUCCESS)
    result = cli("send", server.url, "--no-allow-private", "--json")
    assert (result.exit_code, json.loads(result.stdout)["outcome"]) == (1, "address_refused")
    assert server.calls == []


def test_send_refuses_headers_that_are_not_the_persons(cli):
    """Before anything is sent."""
    for header in ("Host: x", "webhook-id: x", "no colon"):
        assert cli("send", "http://127.0.0.1:1", "--header", header).exit_code == 2
