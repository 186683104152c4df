"""Secrets stay where they belong: canaries are searched for in everything the service says."""

import base64
import json
import socket

import pytest
from tests.acceptance.customers import (
    Endpoint,
    answer,
    answering,
    ask,
    attempted,
    in_state,
    running,
    send_one,
)
from tests.acceptance.harness import TOKEN, Service, report

PROXY_PASSWORD = "canary-proxy-password-7d1f"
HEADER = "Bearer canary-header-value-0b2e"
SECRET_BYTES = b"canary-webhook-secret-bytes-64b9"
SECRET = "whsec_" + base64.b64encode(SECRET_BYTES).decode()
WRONG_SECRET = "canary-secret-without-its-prefix"
WRONG_HEADER = "canary-header\r\nwith-a-break"
WRONG_TOKEN = "canary-wrong-operator-token-5a3c"


def spellings(*secrets: str) -> list[bytes]:
    """The secrets, and their base64 without what depends on the place."""
    found = []
    for secret in secrets:
        found.append(secret.encode())
        for shift in range(3):
            found.append(base64.b64encode(b"x" * shift + secret.encode())[4:-4])
    return found


def around(canary: bytes, text: bytes) -> bytes:
    """Where it was found, for the failure of a test."""
    at = text.index(canary)
    return text[max(0, at - 300) : at + 100]


class Listener:
    """Asks the API and keeps every byte of every answer."""

    def __init__(self, service) -> None:
        self.service = service
        self.heard: list[bytes] = []

    def ask(self, method: str, path: str, body: object = None, **how: object):
        got = ask(self.service, method, path, body, **how)
        self.heard.append(got.body + repr(got.headers.items()).encode())
        return got


def through_everything(listen: Listener, account: str, push: str) -> None:
    """Every reading route, in both languages, and a number of mistakes."""
    for language in ("en", "zh"):
        for path in (
            "/v1/accounts",
            f"/v1/accounts/{account}",
            f"/v1/accounts/{account}/pushes",
            f"/v1/pushes/{push}",
            f"/v1/reports?account={account}&sid=one-1",
            "/metrics",
            "/healthz",
            "/readyz",
            "/openapi.json",
            "/docs",
            "/v1/nothing",
        ):
            listen.ask("GET", path, language=language)
        at = f"/v1/accounts/{account}/push"
        for patch in (
            {"secret": WRONG_SECRET},
            {"secret": SECRET + "!"},
            {"secret": [SECRET]},
            {"secret": SECRET, "url": "no url"},
            {"headers": {"Authorization": WRONG_HEADER}},
            {"headers": {"Authorization": [HEADER]}},
            {"headers": {"Authorization": HEADER, "Host": HEADER}},
            {"headers": HEADER},
            {"timeout_seconds": 0.1, "headers": {"Authorization": HEADER}},
        ):
            assert listen.ask("PATCH", at, patch, language=language).status == 422
        malformed = f'{{"secret": "{SECRET}", "headers": {{"Authorization": "{HEADER}"}}'.encode()
        assert listen.ask("PATCH", at, malformed, language=language).status == 400
        assert listen.ask("GET", "/v1/accounts", token=WRONG_TOKEN, language=language).status == 401
        listen.ask("POST", f"/v1/accounts/{account}/push/test", language=language)


def test_secrets(tmp_path):
    """Operator token, apikey, webhook secret, header values: in no answer, metric or log line."""
    with Endpoint(answering(answer(b"no", "500 Oops"))) as endpoint:
        with running(tmp_path, log_level="debug") as service:
            listen = Listener(service)
            created = ask(service, "PUT", "/v1/accounts/acme", {"name": "ACME"})
            apikey = created.json["apikey"]
            patched = listen.ask(
                "PATCH",
                "/v1/accounts/acme/push",
                {
                    "mode": "on",
                    "url": endpoint.url,
                    "secret": SECRET,
                    "headers": {"Authorization": HEADER},
                },
            )
            assert patched.json["secret"] == "set"
            assert patched.json["headers"] == {"Authorization": "***"}
            send_one(service, "acme")
            (exhausted,) = in_state(service, "acme", "exhausted")
            through_everything(listen, "acme", exhausted["id"])
            # They do reach the customer, whom they are for; a mask sent back keeps the value.
            service.set_push("acme", headers={"authorization": "***"})
            listen.ask("POST", "/v1/accounts/acme/push/test")
            assert {a.headers["authorization"] for a in endpoint.arrivals} == {HEADER}
            assert all("webhook-signature" in a.headers for a in endpoint.arrivals)
            listen.ask("PUT", "/v1/accounts/acme", {"name": "ACME Ltd."})
            listen.ask("DELETE", "/v1/accounts/acme")
            files = {p.name: p.read_bytes() for p in tmp_path.iterdir() if ".db" in p.name}
            service.terminate()
            log = service.log_path.read_bytes()
    assert log.count(b"\n") > 3
    everything = b"".join(listen.heard) + log
    for canary in spellings(TOKEN, apikey, HEADER, SECRET, SECRET_BYTES.decode()):
        assert canary not in everything, around(canary, everything)
    for canary in (WRONG_SECRET, WRONG_HEADER, "canary-header", WRONG_TOKEN):
        assert canary.encode() not in everything, around(canary.encode(), everything)
    # At rest: the token and the apikey only as hashes; secret and headers as they must be sent.
    stored = b"".join(files.values())
    assert b"ACME" in stored
    assert not [c for c in (TOKEN, apikey, WRONG_TOKEN) if c.encode() in stored]
    assert SECRET.encode() in stored


def test_the_token_made_at_the_first_start(tmp_path):
    """Printed once on standard output, stored as a hash, never logged."""
    service = Service(tmp_path, {"log_level": "debug", "operator_token": ""})
    try:
        service.start()
        first, _ = service.out_path.read_text().splitlines()
        assert "operator token" in first
        token = first.split()[-1]
        assert ask(service, "GET", "/v1/accounts", token=token).status == 200
        assert ask(service, "GET", "/v1/accounts", token=token[:-1] + "!").status == 401
    finally:
        service.stop()
    assert token.encode() not in service.log_path.read_bytes()
    files = [p for p in tmp_path.iterdir() if ".db" in p.name]
    assert files
    assert not [p for p in files if token.encode() in p.read_bytes()]


PROXIES = {
    "refuses": b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
    "repeats what it was told": b"HTTP/1.1 502 %b\r\nContent-Length: 0\r\n\r\n",
    "speaks something else": b"SSH-2.0-x\r\n",
    "is not there": b"",
}


@pytest.mark.parametrize("name", PROXIES)
def test_the_proxy_password(name, tmp_path):
    """It goes to the proxy, and into no error, answer, metric or log line."""
    credentials = base64.b64encode(f"operator:{PROXY_PASSWORD}".encode())

    def proxy(peer):
        head = peer.head()
        assert head.startswith(b"CONNECT 127.0.0.9:80 ")
        assert credentials in head
        reply = PROXIES[name]
        peer.send(reply % credentials if b"%b" in reply else reply)

    with Endpoint(proxy) as endpoint:
        port = endpoint.port
        if not PROXIES[name]:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
        url = f"http://operator:{PROXY_PASSWORD}@127.0.0.1:{port}"
        with running(tmp_path, proxy=url, log_level="debug") as service:
            listen = Listener(service)
            service.account("acme", "http://127.0.0.9/voice_status")
            service.submit([report("acme", "one-1")])
            push = attempted(service, "acme")
            assert push["attempts"][0]["outcome"] == "proxy_failed"
            for path in ("/v1/accounts/acme", f"/v1/pushes/{push['id']}", "/metrics"):
                listen.ask("GET", path)
            listen.ask("POST", "/v1/accounts/acme/push/test")
            stored = b"".join(p.read_bytes() for p in tmp_path.iterdir() if ".db" in p.name)
            service.terminate()
            everything = b"".join(listen.heard) + service.log_path.read_bytes() + stored
    assert b"proxy" in everything
    for canary in (*spellings(PROXY_PASSWORD), credentials, json.dumps(url).encode()):
        assert canary not in everything, around(canary, everything)
