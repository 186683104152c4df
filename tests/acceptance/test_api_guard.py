"""Where customers may make us call: the address guard and URL rules, through the whole service."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from tests.acceptance.conftest import unavailable
from tests.acceptance.customers import (
    Endpoint,
    answer,
    answering,
    ask,
    attempted,
    inside,
    metric,
    network,
    running,
)
from tests.acceptance.harness import report
from tests.scaffolding import wait_for

LOOPBACK = [
    *("127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "127.0.0.1.", "2130706433"),
    *("017700000001", "0x7f000001", "0x7F.1", "0x7f.0.0.0x1", "0177.0.0.1", "0177.0.0.01"),
    *("127.0.0x0.1", "127.000.000.001", "0", "0.0.0.0", "0x0", "0.0", "localhost", "LOCALHOST"),
    *("localhost.", "%31%32%37.0.0.1", "１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1"),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::ffff:127.0.0.1]"),
    *("[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]"),
    *("[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::127.0.0.1]"),
    *("[2002:7f00:1::]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[fe80::5efe:7f00:1]"),
]
OTHERS = [
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "169.254.1.1"),
    *("2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:169.254.169.254]"),
    *("[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]", "[fe80::1]", "[fc00::1]", "[ff02::1]"),
    *("224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "192.0.0.192", "100.100.100.200"),
]
SPELLINGS = [*LOOPBACK, *OTHERS]


class Everywhere(Endpoint):
    """Listens on every address of the machine, so that a connect by any spelling is seen."""

    def listen(self) -> socket.socket:
        """A socket for IPv4 and IPv6."""
        if socket.has_dualstack_ipv6():
            with contextlib.suppress(OSError):
                return socket.create_server(
                    ("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128
                )
        return socket.create_server(("0.0.0.0", 0), backlog=128)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """Nothing is allowed beyond the public internet."""
    with running(tmp_path_factory.mktemp("service"), allow_targets="") as service:
        yield service


def test_no_spelling_gets_through(service):
    """Any of them may be set; the send says address_refused, the test push too: 0 connects."""
    assert len(SPELLINGS) >= 40
    with Everywhere(answering(answer())) as endpoint:
        accounts = {}
        unusable = []
        for number, host in enumerate(SPELLINGS):
            account = f"s{number}"
            url = f"http://{host}:{endpoint.port}/voice_status"
            ask(service, "PUT", f"/v1/accounts/{account}", {"name": account})
            patched = ask(
                service, "PATCH", f"/v1/accounts/{account}/push", {"mode": "on", "url": url}
            )
            if patched.status == 422:
                assert patched.json["errors"][0]["field"] == "url"
                unusable.append(host)
                continue
            assert patched.status == 200, (host, patched.body)
            accounts[account] = host
        # Refused at once because it is no host at all, however it is read.
        assert set(unusable) <= {"%31%32%37.0.0.1", "①②⑦.0.0.1", "127.000.000.001"}, unusable
        service.submit([report(account, "x-1") for account in accounts])
        for account, host in accounts.items():
            push = attempted(service, account)
            shown = push["attempts"][0]
            assert shown["outcome"] == "address_refused", host
            assert "may not be called" in shown["hint"]
            assert shown["detail"].endswith("an address that is not public"), "says no more"
            tested = ask(service, "POST", f"/v1/accounts/{account}/push/test", language="zh")
            assert tested.json["outcome"] == "address_refused", host
            assert "不允许访问" in tested.json["hint"]
        assert metric(service, 'statuspush_attempts_total{outcome="address_refused"}') >= len(
            accounts
        )
        assert endpoint.connections == 0
        print(f"{len(accounts)} spellings refused at the send, {len(unusable)} as URLs, 0 connects")


def test_the_control_without_the_guard(tmp_path):
    """With loopback allowed, the spellings of 127.0.0.1 do reach the server."""
    reaching = ("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:7f00:1]")
    with Endpoint(answering(answer())) as endpoint, running(tmp_path) as service:
        for number, host in enumerate(reaching):
            service.account(f"s{number}", f"http://{host}:{endpoint.port}/")
            tested = service.api("POST", f"/v1/accounts/s{number}/push/test")
            assert tested["acknowledged"], (host, tested)
        assert len(endpoint.arrivals) == len(reaching)


UNUSABLE = [
    *("", " ", "push.example", "//push.example/", "/path", "http:", "http://", "http:///path"),
    *("ftp://push.example/", "file:///etc/passwd", "gopher://push.example/", "javascript:1"),
    *("unix:/run/docker.sock", "http+unix://x/", "HTTPX://push.example"),
    *("http://user:pass@push.example/", "http://user@push.example/", "http://@push.example/"),
    *("http://127.0.0.1@push.example/", "http://push.example:80@127.0.0.1/"),
    *("http://push.example:0/", "http://push.example:65536/", "http://push.example:-1/"),
    *("http://push.example:80:80/", "http://push.example:8o/", "http://push.example:１/"),
    *("http://push.example/\r\nX: y", "http://push.example/\nX: y", "http://push.example/\0"),
    *("http://push.example\r\n/", "http://push example/", "http://push.example/a b"),
    *("http://push.example/\t", "http://push.example\\@127.0.0.1/", "http://[::1/", "http://::1/"),
    *(
        "http://[127.0.0.1]/",
        "http://256.1.1.1/",
        "http://1.2.3.4.5/",
        "http://0x/",
        "http://1..2/",
    ),
    *("http://-/..", "http://push..example/", "http://" + "a" * 64 + ".example/"),
    *("http://push.example/" + "a" * 3000, "http://[fe80::1%25eth0]/", "http://[v1.x]/"),
]


def test_unusable_urls_are_refused(service):
    """When they are set, with the field named and in both languages; nothing is changed."""
    ask(service, "PUT", "/v1/accounts/urls", {"name": "urls"})
    service.set_push("urls", url="http://push.example/good", mode="paused")
    taken = []
    for url in UNUSABLE:
        for language in ("en", "zh"):
            refused = ask(
                service, "PATCH", "/v1/accounts/urls/push", {"url": url}, language=language
            )
            if refused.status != 422:
                taken.append((url, refused.json["url"]))
                break
            assert refused.is_problem
            (error,) = refused.json["errors"]
            assert error["field"] == "url"
            assert error["message"].isascii() == (language == "en")
            assert "user:pass" not in error["message"]
    assert not taken
    kept = service.api("GET", "/v1/accounts/urls")["push"]["url"]
    assert kept == "http://push.example/good"


HEADERS = {
    "line break in the value": {"X-A": "b\r\nX-Evil: 1"},
    "line feed in the value": {"X-A": "b\nX-Evil: 1"},
    "NUL in the value": {"X-A": "b\0"},
    "line break in the name": {"X-A\r\nX-Evil": "1"},
    "colon in the name": {"X-A:": "1"},
    "space in the name": {"X A": "1"},
    "empty name": {"": "1"},
    "length": {"Content-Length": "5"},
    "transfer encoding": {"Transfer-Encoding": "chunked"},
    "host": {"host": "evil.example"},
    "connection": {"Connection": "close"},
    "type": {"Content-Type": "text/plain"},
    "push id": {"webhook-id": "1"},
    "twice": {"X-A": "1", "x-a": "2"},
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_would_change_the_request_are_refused(service, name):
    """Also by way of the API."""
    ask(service, "PUT", "/v1/accounts/headers", {"name": "headers"})
    refused = ask(service, "PATCH", "/v1/accounts/headers/push", {"headers": HEADERS[name]})
    assert refused.status == 422
    assert refused.is_problem
    assert refused.json["errors"][0]["field"].startswith("headers")


# -- a name server that changes its mind --


def _answer_dns(query: bytes, addresses: list[str]) -> bytes:
    """A reply with these IPv4 addresses and a time to live of 0; none for other questions."""
    end = query.index(b"\0", 12) + 1
    question = query[12 : end + 4]
    wanted = addresses if question[-4:-2] == b"\0\1" else []
    head = query[:2] + b"\x81\x80" + b"\0\1" + len(wanted).to_bytes(2, "big") + bytes(4)
    record = b"\xc0\x0c\0\1\0\1" + bytes(4) + b"\0\4"
    return head + question + b"".join(record + socket.inet_aton(each) for each in wanted)


@contextlib.contextmanager
def name_server(address: str, *turns: list[str]) -> Iterator[list[bytes]]:
    """Answers with each list in turn, the last one again and again; yields what was asked."""
    asked: list[bytes] = []
    left = list(turns)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 53))

        def serve() -> None:
            while True:
                query, client = sock.recvfrom(1500)
                if not query:
                    return
                end = query.index(b"\0", 12) + 1
                is_a = query[end : end + 2] == b"\0\1"
                addresses = left.pop(0) if is_a and len(left) > 1 else left[0]
                if is_a:
                    asked.append(query[12:end])
                sock.sendto(_answer_dns(query, addresses), client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield asked
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", (address, 53))
            thread.join(5)


REBINDING = {
    "the next lookup is internal": ([["127.0.0.2"], ["127.0.0.1"]], 1),
    "public and internal in one answer": ([["127.0.0.2", "127.0.0.1"]], 0),
    "internal and public in one answer": ([["127.0.0.1", "127.0.0.2"]], 0),
    "internal": ([["127.0.0.1"]], 0),
    "metadata service": ([["169.254.169.254"]], 0),
}


@pytest.mark.needs_root
@pytest.mark.parametrize("name", REBINDING)
def test_rebinding_name_server(name, tmp_path, needs_root):
    """The address that was checked is the one that is called; 127.0.0.2 plays the public one.

    All of it has a network of its own, the service also a resolv.conf, by a mount of its own.
    """
    turns, public = REBINDING[name]
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.9.9.9\noptions timeout:1 attempts:1\n")
    prefix = (
        *("unshare", "--mount", "sh", "-c"),
        'mount --bind "$0" /etc/resolv.conf && exec "$@"',
        str(resolv),
    )
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(inside(stack.enter_context(network("rebinding"))))
        except OSError as error:
            unavailable(f"no network namespace: {error}")
        asked = stack.enter_context(name_server("127.9.9.9", *turns))
        outside = stack.enter_context(Endpoint(closing_one, host="127.0.0.2"))
        internal = stack.enter_context(Endpoint(closing_one, host="127.0.0.1", port=outside.port))
        service = stack.enter_context(
            running(tmp_path, prefix=prefix, allow_targets="127.0.0.2/32", timezone="UTC")
        )
        service.account("rebound", f"http://push.rebind.example:{outside.port}/")
        service.submit([report("rebound", "x-1")])
        push = attempted(service, "rebound")
        wait_for("a lookup", lambda: asked)
        outcome = "acknowledged" if public else "address_refused"
        assert push["attempts"][0]["outcome"] == outcome
        if public:
            time.sleep(5.2)  # answers are used again for 5 s, at the address that was checked
            service.submit([report("rebound", "x-2")])
            wait_for("the next one", lambda: attempted(service, "rebound")["id"] != push["id"])
            assert attempted(service, "rebound")["attempts"][0]["outcome"] == "address_refused"
        service.set_push("rebound", mode="off")
        assert len(asked) > public
        assert len(outside.arrivals) == public
        assert internal.connections == 0


def closing_one(peer) -> None:
    """Answers once, saying that it closes, so that the next push looks the name up again."""
    peer.request()
    peer.send(answer(b"SUCCESS", "200 OK", "Connection: close"))
