"""Endpoints that hang, drip, flood, redirect, reset or show bad certificates: one attempt each
is given up in time, judged rightly, costs no memory, and holds nobody else."""

import datetime
import socket
import ssl
import time
from collections import Counter
from pathlib import Path

import pytest
import trustme
from tests.acceptance.customers import (
    Endpoint,
    answer,
    answering,
    answering_by,
    attempted,
    closing_after,
    dripping_body,
    dripping_head,
    endless_chunks,
    flooding,
    gzip_bomb,
    in_state,
    resetting_after,
    resetting_at_once,
    resetting_before,
    resetting_inside,
    running,
    send_one,
    silent,
)
from tests.acceptance.harness import Service, reports
from tests.scaffolding import wait_for

SECONDS = 1.0
"""Limit of a send in these tests."""
MB = 1_000_000


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def service(tmp_path_factory, authority):
    directory = tmp_path_factory.mktemp("service")
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    with running(directory, ca_file=str(directory / "ca.pem")) as service:
        yield service


def attempt(service: Service, account: str, url: str, **settings: object) -> dict[str, object]:
    """The first attempt of a push to that URL; the account is then switched off."""
    settings = {"connect_seconds": 0.5, "timeout_seconds": SECONDS, **settings}
    service.account(account, url, **settings)
    send_one(service, account)
    push = attempted(service, account)
    service.set_push(account, mode="off")
    return push["attempts"][0]


HANGING = {
    "silent": silent,
    "dripping head": dripping_head,
    "dripping body": dripping_body,
    "slow to begin": lambda peer: (time.sleep(3), peer.request()),
}


@pytest.mark.parametrize("name", HANGING)
def test_hanging(service, name):
    """The total limit ends it, not a limit between two bytes."""
    with Endpoint(HANGING[name]) as endpoint:
        shown = attempt(service, name.replace(" ", "-"), endpoint.url)
        assert shown["outcome"] == "timeout"
        assert "SUCCESS immediately" in shown["hint"]
        assert 1000 * SECONDS - 20 <= shown["duration_ms"] < 1000 * (SECONDS + 1)
        assert endpoint.connections == 1


def test_a_full_backlog_drops_our_syn(service):
    """A connection that is never answered: the connect limit ends it.

    The blackhole is a listener whose queue is full: the kernel drops further SYNs, as a firewall
    does.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        queued = []
        while True:
            client = socket.socket()
            client.settimeout(0.3)
            queued.append(client)
            try:
                client.connect(("127.0.0.1", port))
            except TimeoutError:
                break
            assert len(queued) < 10, "the backlog takes everything"
        shown = attempt(
            service,
            "blackhole",
            f"http://127.0.0.1:{port}/",
            connect_seconds=0.5,
            timeout_seconds=5,
        )
        for client in queued:
            client.close()
    assert shown["outcome"] == "connect_timeout"
    assert "firewall" in shown["hint"]
    assert 480 <= shown["duration_ms"] < 1500


def test_nobody_listens(service):
    """Refused at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # taken, and not listening
        shown = attempt(service, "nobody", f"http://127.0.0.1:{probe.getsockname()[1]}/")
    assert shown["outcome"] == "connection_refused"


FLOODS = {
    "endless chunks": (endless_chunks, "wrong_answer"),
    "10 GB": (flooding(10_000 * MB), "wrong_answer"),
    "SUCCESS and 10 MB": (flooding(10 * MB, b"SUCCESS"), "wrong_answer"),
    "SUCCESS and 10 GB of white space": (flooding(10_000 * MB, b"SUCCESS\r\n"), "wrong_answer"),
    "500 with 10 GB": (flooding(10_000 * MB, status="500 Oops"), "http_error"),
    "302 with 10 GB": (flooding(10_000 * MB, status="302 Found"), "redirect"),
    "413 with 10 GB": (flooding(10_000 * MB, status="413 Large"), "too_large"),
    "gzip bomb": (gzip_bomb(), "wrong_answer"),
    "endless head": (
        lambda peer: (peer.request(), [peer.send(b"X: " + b"y" * MB) for _ in range(10_000)]),
        "invalid_response",
    ),
    "endless interim answers": (
        lambda peer: (
            peer.request(),
            [peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000) for _ in range(100_000)],
        ),
        "invalid_response",
    ),
}


def test_floods(service):
    """Cut after 64 KiB, never inflated, never acknowledged; the memory stays as it was."""
    with Endpoint(answering(answer())) as endpoint:
        for number in range(3):  # so that what is made once, is made
            account = f"warm-{number}"
            service.account(account, endpoint.url)
            service.submit(reports(account, "x", 500))
            in_state(service, account, "delivered")
    before = service.memory_mb()
    Path(f"/proc/{service.pid}/clear_refs").write_text("5")  # the peak counts from here
    for round_ in range(3):
        for name, (temper, outcome) in FLOODS.items():
            with Endpoint(temper) as endpoint:
                account = f"{name}-{round_}".replace(" ", "-")
                shown = attempt(service, account, endpoint.url, timeout_seconds=10)
                assert shown["outcome"] == outcome, name
                assert len(shown["answer"]) <= 256
                assert shown["duration_ms"] < 5000, name
                # What the buffers of the system took, of 10 GB; the service took 64 KiB of it.
                assert max(endpoint.bytes_sent.values(), default=0) < 32 * MB, name
    peak = service.memory_mb("VmHWM")
    print(f"{3 * len(FLOODS)} floods: {before:.1f} MB before, {peak:.1f} MB at the peak")
    assert peak - before < 5


def test_redirects_are_not_followed(service):
    """Not to the metadata service of a cloud, and not to a server that would be allowed."""
    with Endpoint(answering(answer())) as target:
        for number, location in enumerate((target.url, "http://169.254.169.254/latest/", "/")):
            reply = answer(b"SUCCESS", "307 Temporary Redirect", f"Location: {location}")
            with Endpoint(answering(reply)) as endpoint:
                shown = attempt(service, f"redirect-{number}", endpoint.url)
                assert shown["outcome"] == "redirect"
                assert endpoint.connections == len(endpoint.arrivals) == 1
        assert target.connections == 0


RESETTING = {
    "before the answer": resetting_before,
    "inside the answer": resetting_inside,
    "before the push is read": resetting_at_once,
}


@pytest.mark.parametrize("name", RESETTING)
def test_resets(service, name):
    """Each is one attempt; four of them, and the push is exhausted. Nothing is sent in secret."""
    account = name.replace(" ", "-")
    with Endpoint(RESETTING[name]) as endpoint:
        service.account(account, endpoint.url, connect_seconds=1, timeout_seconds=5)
        send_one(service, account)
        (exhausted,) = in_state(service, account, "exhausted")
        shown = service.push(exhausted["id"])["attempts"]
        assert [a["outcome"] for a in shown] == ["connection_reset"] * 4
        assert endpoint.connections == 4


@pytest.mark.parametrize("temper", [closing_after, resetting_after])
def test_a_kept_connection_that_closes(service, temper):
    """Sends are attempts: a push that meets the end of a reused connection is sent again only
    as a counted retry, never by itself on a fresh connection."""
    account = temper.__name__.replace("_", "-")
    with Endpoint(temper) as endpoint:
        service.account(account, endpoint.url, connect_seconds=1, timeout_seconds=5)
        for number in range(12):
            send_one(service, account, f"x-{number}")
            time.sleep(0.01)
        wait_for("all sent", lambda: _waiting(service, account) == 0)
        # The counts may be a commit ahead of the list.
        wait_for("all written", lambda: not list(service.pushes(account, "sending")))
        pushes = list(service.pushes(account))
        arrived = Counter(a.headers["webhook-id"] for a in endpoint.arrivals)
        assert {push["state"] for push in pushes} == {"delivered"}
        for push in pushes:
            attempts = service.push(push["id"])["attempts"]
            assert arrived[push["id"]] <= len(attempts)
            if temper is resetting_after:
                assert arrived[push["id"]] == len(attempts)
            lost = [a for a in attempts if a["outcome"] != "acknowledged"]
            assert all(a["outcome"] == "connection_reset" for a in lost)
        received = Counter(sid for a in endpoint.arrivals if a.body for sid in a.sids)
        assert received == {f"x-{number}": 1 for number in range(12)}


def _waiting(service: Service, account: str) -> int:
    counts = service.api("GET", f"/v1/accounts/{account}")["counts"]["reports"]
    return counts["waiting"] + counts["sending"]


def _server(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_a_good_certificate(service, authority):
    """The control: signed by the authority that the setting ``ca_file`` names."""
    with Endpoint(answering(answer()), _server(authority.issue_cert("127.0.0.1"))) as endpoint:
        assert attempt(service, "tls", endpoint.url)["outcome"] == "acknowledged"


BAD_CERTIFICATES = {
    "expired": lambda good: good.issue_cert(
        "127.0.0.1",
        not_after=datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1),
    ),
    "wrong host": lambda good: good.issue_cert("push.example"),
    "wrong address": lambda good: good.issue_cert("127.0.0.2"),
    "self-signed": lambda _: trustme.CA().issue_cert("127.0.0.1"),
}


@pytest.mark.parametrize("name", BAD_CERTIFICATES)
def test_bad_certificates(service, authority, name):
    """Refused with a reason, and not a byte of the push goes over the wire."""
    certificate = BAD_CERTIFICATES[name](authority)
    with Endpoint(answering(answer()), _server(certificate)) as endpoint:
        shown = attempt(service, f"tls-{name.replace(' ', '-')}", endpoint.url)
        assert shown["outcome"] == "tls_failed"
        assert shown["detail"]
        assert (endpoint.connections, endpoint.payload, endpoint.arrivals) == (1, 0, [])


def test_plain_http_where_tls_is_expected(service):
    """No push in the clear."""

    def refusing(peer):
        hello = peer.sock.recv(65_536)
        assert b"voice_status=" not in hello
        peer.send(answer(b"plain HTTP was expected", "400 Bad Request"))

    with Endpoint(refusing) as endpoint:
        url = endpoint.url.replace("http:", "https:")
        assert attempt(service, "tls-none", url)["outcome"] == "tls_failed"
        assert endpoint.connections == 1


def test_always_413(service):
    """Halved down to single reports; those are sent four times each, then exhausted."""
    with Endpoint(answering(answer(b"", "413 Too Large"))) as endpoint:
        service.account("never", endpoint.url)
        service.submit(reports("never", "x", 4))
        in_state(service, "never", "exhausted", 4)
        wait_for("nothing waits", lambda: _waiting(service, "never") == 0)
        sends = Counter(tuple(a.sids) for a in endpoint.arrivals)
        assert sends.pop(("x-0", "x-1", "x-2", "x-3")) == 1
        # A smaller size is known now, so the halves need not be tried whole.
        for half in (("x-0", "x-1"), ("x-2", "x-3")):
            assert sends.pop(half, 0) <= 1
        assert sends == {(f"x-{number}",): 4 for number in range(4)}


def test_413_above_a_limit(service):
    """Halved at once until it fits, nothing lost or sent twice; the size is remembered."""
    limit = 20_000

    def choose(arrival):
        return answer() if len(arrival.body) <= limit else answer(b"", "413 Too Large")

    with Endpoint(answering_by(choose)) as endpoint:
        service.account("limited", endpoint.url)
        service.submit(reports("limited", "x", 500))
        wait_for("all sent", lambda: _waiting(service, "limited") == 0)
        took = [a for a in endpoint.arrivals if len(a.body) <= limit]
        came = [sid for a in took for sid in a.sids]
        assert came == [f"x-{n}" for n in range(500)], "in order, once"
        learned = service.api("GET", "/v1/accounts/limited")["push"]["learned_max_bytes"]
        assert 0 < learned <= limit
        refused = len(endpoint.arrivals) - len(took)
        service.submit(reports("limited", "y", 500))
        wait_for("all sent", lambda: _waiting(service, "limited") == 0)
        assert len([a for a in endpoint.arrivals if len(a.body) > limit]) == refused
        assert service.set_push("limited", url=endpoint.url + "?")["learned_max_bytes"] is None
