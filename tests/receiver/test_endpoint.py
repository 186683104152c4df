"""Facts about what a push is answered, whatever it came through."""

import logging
import sqlite3
import threading
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from standardwebhooks.webhooks import Webhook
from tests.receiver.conftest import FORM, kept, push
from tests.scaffolding import NOW

from statuspush.core.ack import judge
from statuspush.core.contract import Wire
from statuspush.core.errors import InputError
from statuspush.core.fragment import sample_fragments
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.outcome import Answered
from statuspush.core.signature import sign
from statuspush.core.wire import body as sent
from statuspush.receiver.gate import Gate

TOKEN = "0123456789abcdef"
OLD, NEW = "whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8


def admit(endpoint, method="POST", path="/voice", query="", client="203.0.113.7", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return endpoint.admit(method, path, query, named, client)


def accept(endpoint, body, **headers):
    return endpoint.accept("", body, FORM | headers)


@pytest.mark.parametrize("wire", list(Wire))
def test_every_wire_form_of_the_sender_is_acknowledged_and_kept(endpoint, inbox, wire):
    answer = accept(endpoint(), sent(sample_fragments(VOICE_STATUS), wire, VOICE_STATUS))
    assert judge(Answered(answer.status, answer.body), VOICE_STATUS).acknowledged
    assert kept(inbox) == [report.sid for report in VOICE_STATUS.samples]


def test_an_answer_is_plain_text(endpoint):
    for body in (push("a"), b"rubbish"):
        assert accept(endpoint(), body).headers["Content-Type"].startswith("text/plain")


def test_a_repeat_is_acknowledged_and_not_kept(endpoint, inbox):
    door = endpoint()
    for _ in range(2):
        assert accept(door, push("a", "b")).body == b"SUCCESS"
    assert kept(inbox) == ["a", "b"]
    assert (door.counts["reports"], door.counts["repeats"]) == (2, 2)


def test_an_empty_array_is_acknowledged(endpoint, inbox):
    assert accept(endpoint(), push()).body == b"SUCCESS"
    assert kept(inbox) == []


def test_a_sid_that_came_as_a_number_is_kept_as_text(endpoint, inbox):
    accept(endpoint(), push({"sid": 12345678901234567890}))
    assert kept(inbox) == ["12345678901234567890"]


def test_half_a_surrogate_pair_is_kept(endpoint, inbox):
    assert accept(endpoint(), push({"sid": "a", "error_msg": "\ud83d"}, "b")).acknowledged
    assert kept(inbox) == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no_parameter"),
        (b"voice=1", "no_parameter"),
        (b"voice_status=hello", "not_json"),
        (b"voice_status=%5B%7B%22sid%22%3A%221%22", "not_json"),
        (b"voice_status=%zz", "bad_encoding"),
        (b"voice_status=" + quote('[{"uid":"1"}]').encode(), "no_sid"),
        (b"voice_status=" + quote('["1"]').encode(), "not_reports"),
    ],
)
def test_what_is_no_push_is_refused_with_the_reason(endpoint, inbox, body, reason):
    door = endpoint()
    answer = accept(door, body)
    assert answer.status == 400
    assert len(answer.body) > 10
    assert not judge(Answered(answer.status, answer.body), VOICE_STATUS).acknowledged
    assert door.counts == {reason: 1}
    assert kept(inbox) == []


def test_one_report_without_a_sid_refuses_the_whole_push(endpoint, inbox):
    assert accept(endpoint(), push("a", {"uid": "b"})).status == 400
    assert kept(inbox) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE"])
def test_only_a_post_is_a_push(endpoint, method):
    answer = admit(endpoint(), method)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


def test_a_body_over_the_limit_is_refused_before_it_is_read(endpoint):
    assert admit(endpoint(max_body_bytes=100), content_length="101").status == 413
    assert accept(endpoint(max_body_bytes=100), b"x" * 101).status == 413


@pytest.mark.parametrize(
    "shown",
    [
        {"path": f"/voice/{TOKEN}"},
        {"path": f"/voice/{TOKEN}/"},
        {"query": f"a=1&token={TOKEN}"},
        {"authorization": f"Bearer {TOKEN}"},
    ],
)
def test_a_token_names_its_account(endpoint, shown):
    assert admit(endpoint(tokens={"other": "f" * 16, "acme": TOKEN}), **shown) == "acme"


@pytest.mark.parametrize(
    "shown", [{}, {"path": f"/voice/{TOKEN}x"}, {"query": "token="}, {"authorization": TOKEN}]
)
def test_without_its_token_a_push_is_refused(endpoint, shown):
    assert admit(endpoint(tokens={"acme": TOKEN}), **shown).status == 401


def test_reports_are_kept_under_their_account(endpoint, inbox):
    door = endpoint()
    door.accept("one", push("a"), FORM)
    door.accept("two", push("a"), FORM)
    assert kept(inbox, "one") == kept(inbox, "two") == ["a"]


@pytest.mark.parametrize(
    ("client", "admitted"),
    [
        ("203.0.113.7", True),
        ("203.0.113.8", False),
        ("::ffff:203.0.113.7", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        (None, False),
        ("unix", False),
    ],
)
def test_only_the_networks_that_are_named_may_push(endpoint, client, admitted):
    door = endpoint(networks=["203.0.113.7", "2001:db8::/32"])
    found = admit(door, client=client)
    assert found == "" if admitted else found.status == 403


def signed(secret, body, at=NOW // 1000):
    return {
        "webhook-id": "push_1",
        "webhook-timestamp": str(at),
        "webhook-signature": sign(secret, "push_1", at, body),
    }


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_both_secrets_hold_while_they_are_changed(endpoint, secret):
    door = endpoint(secrets=[OLD, NEW])
    body = push("a")
    assert accept(door, body, **signed(secret, body)).acknowledged


def test_a_signature_of_the_reference_library_holds(endpoint):
    body = push("a")
    made = Webhook(NEW).sign("push_1", datetime.fromtimestamp(NOW // 1000, UTC), body.decode())
    headers = signed(NEW, body) | {"webhook-signature": f"v1,bm90aGluZw== {made}"}
    assert accept(endpoint(secrets=[NEW]), body, **headers).acknowledged


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1,é"},
        {"webhook-id": "push_2"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "9" * 5000},
    ],
)
def test_what_is_not_signed_right_is_refused(endpoint, inbox, wrong):
    body = push("a")
    answer = accept(endpoint(secrets=[OLD, NEW]), body, **(signed(NEW, body) | wrong))
    assert answer.status == 401
    assert kept(inbox) == []


def test_a_signature_is_judged_by_the_wall_clock_not_by_the_one_at_start(endpoint, clock):
    body = push("a")
    clock.time, clock.off = 0, NOW
    assert accept(endpoint(secrets=[NEW]), body, **signed(NEW, body)).acknowledged


def test_pushes_of_many_threads_are_all_counted(endpoint):
    door = endpoint()
    threads = [
        threading.Thread(target=lambda: [door.count("word") for _ in range(5000)]) for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert door.counts["word"] == 40_000


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_old_signature_is_refused(endpoint, seconds):
    body = push("a")
    headers = signed(NEW, body, NOW // 1000 + seconds)
    assert accept(endpoint(secrets=[NEW]), body, **headers).status == 401


@pytest.mark.parametrize(
    "gate",
    [{"tokens": {"acme": "short"}}, {"networks": ["here"]}, {"secrets": ["whsec_"]}],
)
def test_a_gate_that_cannot_be_meant_is_an_error(gate):
    with pytest.raises(InputError):
        Gate(**gate)


def test_a_gate_never_shows_its_secrets():
    shown = repr(Gate(tokens={"acme": TOKEN}, secrets=[OLD]))
    assert TOKEN not in shown
    assert OLD not in shown


def test_a_full_disk_acknowledges_nothing(endpoint, inbox):
    pages = inbox.run(lambda c: c.execute("PRAGMA page_count").fetchone()[0]).result(10)
    inbox.run(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone()).result(10)
    answer = accept(endpoint(), push({"sid": "a", "error_msg": "x" * 200_000}))
    assert answer.status == 500
    assert b"SUCCESS" not in answer.body


def test_a_disk_that_fails_acknowledges_nothing_any_more(endpoint, inbox):
    def fails(connection):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error

    with pytest.raises(Exception, match="until a restart"):
        inbox.run(fails).result(10)
    assert accept(endpoint(), push("a")).status == 500


def test_what_is_logged_names_no_number_and_no_token(endpoint, caplog):
    caplog.set_level(logging.DEBUG)
    door = endpoint(tokens={"acme": TOKEN})
    admit(door, path=f"/voice/{TOKEN}x")
    accept(door, push({"mobile": "15205201314"}))
    assert caplog.records
    assert TOKEN not in caplog.text
    assert "15205201314" not in caplog.text


async def test_on_an_event_loop_the_answer_is_the_same(endpoint, inbox):
    door = endpoint()
    assert (await door.accept_async("", push("a"), FORM)).body == b"SUCCESS"
    assert (await door.accept_async("", b"", FORM)).status == 400
    assert kept(inbox) == ["a"]
