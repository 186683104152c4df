"""Customers of every temper, as real servers on loopback.

:class:`Endpoint` is a server in threads of the test: what it does with a connection is a
*temper*, a function of one :class:`Conversation`. Customers that would cost the measurement too
much as threads run as processes of their own: ``python -m tests.acceptance.customers hang``.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import gzip
import heapq
import json
import os
import random
import re
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar

from tests.acceptance.harness import ROOT, TOKEN, Service, decode, report
from tests.scaffolding import wait_for

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def answer(body: bytes = b"SUCCESS", status: str = "200 OK", *headers: str) -> bytes:
    """An HTTP answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@dataclass
class Arrival:
    """A request as it came over the wire."""

    at: float
    """When its last byte was read, on the wall clock."""
    connection: int
    """Number of the connection, from 0."""
    head: bytes
    """Request line and headers, as they came."""
    body: bytes

    @property
    def line(self) -> str:
        """The request line."""
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def path(self) -> str:
        """The target of the request."""
        return self.line.split(" ")[1]

    @property
    def headers(self) -> dict[str, str]:
        """Headers by lower-case name."""
        return {name.lower(): value for name, value in self.header_list}

    @property
    def header_list(self) -> list[tuple[str, str]]:
        """Headers in order, as spelled."""
        lines = self.head.decode("latin-1").rstrip("\r\n").split("\r\n")[1:]
        return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]

    @property
    def reports(self) -> list[dict[str, object]]:
        """The reports of the push."""
        return decode(self.body.decode("ascii"))

    @property
    def sids(self) -> list[str]:
        """The sids of the push, in order."""
        return [str(report["sid"]) for report in self.reports]


class Gone(Exception):
    """The other side closed."""


class Conversation:
    """The customer's side of one connection."""

    def __init__(self, endpoint: "Endpoint", sock: socket.socket, number: int) -> None:
        self.endpoint = endpoint
        self.sock = sock
        self.number = number
        self._buffer = b""

    def head(self) -> bytes:
        """Read a request's head and nothing of its body; raises :class:`Gone` at the end."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def request(self) -> Arrival:
        """Read a whole request and note it; raises :class:`Gone` at the end."""
        head = self.head()
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        parts, read = [self._buffer], len(self._buffer)
        self._buffer = b""
        while read < length:
            self._more()
            parts.append(self._buffer)
            read += len(self._buffer)
            self._buffer = b""
        whole = b"".join(parts)
        body, self._buffer = whole[:length], whole[length:]
        arrival = Arrival(time.time(), self.number, head, body)
        self.endpoint.note(arrival)
        return arrival

    def send(self, data: bytes) -> None:
        """Send bytes; raises :class:`Gone` when the other side took no more."""
        try:
            self.sock.sendall(data)
        except OSError:
            raise Gone from None
        self.endpoint.sent(self.number, len(data))

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_for_end(self) -> None:
        """Stay silent until the other side closes."""
        with contextlib.suppress(OSError):
            while self.sock.recv(65_536):
                pass

    def _more(self) -> None:
        try:
            data = self.sock.recv(1 << 18)
        except OSError:
            raise Gone from None
        if not data:
            raise Gone
        self._buffer += data


Temper = Callable[[Conversation], None]


@dataclass
class Endpoint:
    """A server on loopback; a context manager. Its temper may be changed at any time."""

    temper: Temper
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    port: int = 0
    arrivals: list[Arrival] = field(default_factory=list)
    connections: int = 0
    """Connections accepted, also those on which no request came."""
    payload: int = 0
    """Connections that got as far as the temper: with TLS, those whose handshake succeeded."""
    bytes_sent: dict[int, int] = field(default_factory=dict)
    """Bytes that the other side, or the buffers of the system before it, took, by connection."""

    def __enter__(self) -> "Endpoint":
        self._lock = threading.Condition()
        self._open: set[socket.socket] = set()
        self._listener = self.listen()
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone does not end an accept() that waits in another thread.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)
        with self._lock:
            still = list(self._open)
        for sock in still:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def listen(self) -> socket.socket:
        """The listening socket."""
        return socket.create_server((self.host, self.port), backlog=1024)

    @property
    def url(self) -> str:
        """Where pushes go."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.host}:{self.port}/voice_status"

    def note(self, arrival: Arrival) -> None:
        """Keep a request."""
        with self._lock:
            self.arrivals.append(arrival)
            self._lock.notify_all()

    def sent(self, connection: int, count: int) -> None:
        """Count bytes of an answer."""
        with self._lock:
            self.bytes_sent[connection] = self.bytes_sent.get(connection, 0) + count

    def wait_for(self, count: int, seconds: float = 15.0) -> list[Arrival]:
        """The first ``count`` requests, as soon as they are there."""
        with self._lock:
            there = self._lock.wait_for(lambda: len(self.arrivals) >= count, seconds)
            assert there, f"{len(self.arrivals)} of {count} requests came within {seconds} s"
            return self.arrivals[:count]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                number = self.connections
                self.connections += 1
                self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        plain = sock
        try:
            if self.tls is not None:
                sock.settimeout(10)
                sock = self.tls.wrap_socket(sock, server_side=True)
                sock.settimeout(None)
            with self._lock:
                self.payload += 1
            self.temper(Conversation(self, sock, number))
        except (Gone, OSError):
            pass
        finally:
            with self._lock:
                self._open.discard(plain)
            with contextlib.suppress(OSError):
                sock.close()


# -- tempers --


def answering(*answers: bytes) -> Temper:
    """Answers the pushes in turn, the last answer again and again; keeps connections open."""
    lock = threading.Lock()
    left = list(answers or (answer(),))

    def temper(peer: Conversation) -> None:
        while True:
            peer.request()
            with lock:
                reply = left.pop(0) if len(left) > 1 else left[0]
            peer.send(reply)

    return temper


def answering_by(choose: Callable[[Arrival], bytes]) -> Temper:
    """Answers by what came."""

    def temper(peer: Conversation) -> None:
        while True:
            peer.send(choose(peer.request()))

    return temper


def silent(peer: Conversation) -> None:
    """Takes the push and never says a word."""
    peer.request()
    peer.wait_for_end()


def dripping_head(peer: Conversation) -> None:
    """Sends the head of a good answer, a byte a second."""
    peer.request()
    for byte in answer():
        peer.send(bytes((byte,)))
        time.sleep(1.0)


def dripping_body(peer: Conversation) -> None:
    """A chunked body, a byte a time, without end."""
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        peer.send(b"1\r\nS\r\n")
        time.sleep(0.05)


def endless_chunks(peer: Conversation) -> None:
    """A chunked body at full speed, without end."""
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    while True:
        peer.send(chunk)


def flooding(total: int, first: bytes = b"", status: str = "200 OK") -> Temper:
    """A body of ``total`` bytes that begins with ``first``, at full speed."""

    def temper(peer: Conversation) -> None:
        peer.request()
        peer.send(f"HTTP/1.1 {status}\r\nContent-Length: {total}\r\n\r\n".encode() + first)
        block, left = b" " * (1 << 20), total - len(first)
        while left > 0:
            peer.send(block[:left])
            left -= len(block)

    return temper


def gzip_bomb(megabytes: int = 52) -> Temper:
    """A small gzip body that would be ``megabytes`` large."""
    body = gzip.compress(b"SUCCESS" + bytes(megabytes * 1_000_000), mtime=0)
    return answering(answer(body, "200 OK", "Content-Encoding: gzip"))


def resetting_before(peer: Conversation) -> None:
    """Takes the push, then RST instead of an answer."""
    peer.request()
    peer.reset()


def resetting_inside(peer: Conversation) -> None:
    """Sends a head that promises seven bytes, three of them, then RST."""
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nSUC")
    time.sleep(0.1)  # or the RST would overtake the bytes
    peer.reset()


def resetting_at_once(peer: Conversation) -> None:
    """RST as soon as it is connected, before the push is read."""
    peer.reset()


def closing_after(peer: Conversation) -> None:
    """Answers as one that keeps the connection, and closes it right behind the answer."""
    peer.request()
    peer.send(answer())


def resetting_after(peer: Conversation) -> None:
    """Answers as one that keeps the connection; the next push on it meets RST."""
    peer.request()
    peer.send(answer())
    peer.endpoint.note(Arrival(time.time(), peer.number, peer.head(), b""))
    peer.reset()


# -- the service, asked as these tests do --


@contextlib.contextmanager
def running(directory: Path, prefix: Sequence[str] = (), **settings: str) -> Iterator[Service]:
    """A service for all tests of a module; failed pushes are sent again after 0.3 s."""
    service = Service(directory, {"retry_interval_seconds": "0.3", **settings}, prefix)
    try:
        yield service.start()
    finally:
        service.stop()


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def is_problem(self) -> bool:
        """Is it an RFC 9457 problem document of the status it came with."""
        return (
            self.headers.get_content_type() == "application/problem+json"
            and self.json["status"] == self.status
            and {"type", "title", "detail"} <= self.json.keys()
        )


def ask(
    service: Service,
    method: str,
    path: str,
    body: object = None,
    *,
    token: str | None = TOKEN,
    language: str = "",
    kind: str = "application/json",
) -> Answer:
    """Ask the API, whatever it answers; a body that is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    headers = {"Content-Type": kind}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if language:
        headers["Accept-Language"] = language
    request = urllib.request.Request(
        f"http://127.0.0.1:{service.port}{path}", method=method, data=data, headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as got:
            return Answer(got.status, got.headers, got.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


def send_one(service: Service, account: str, sid: str = "one-1", **others: object) -> None:
    """Submit one report."""
    assert service.submit([{**report(account, sid), **others}])["accepted"] == 1


def attempted(service: Service, account: str, attempts: int = 1) -> dict[str, Any]:
    """The account's newest push, once it has been attempted that often."""

    def met() -> dict[str, Any] | None:
        newest = next(service.pushes(account), None)
        return service.push(newest["id"]) if newest and newest["attempts"] >= attempts else None

    return wait_for(f"{attempts} attempts for {account}", met)


def in_state(service: Service, account: str, state: str, count: int = 1) -> list[dict[str, Any]]:
    """The account's pushes in a state, newest first, once there are so many."""

    def met() -> list[dict[str, Any]] | None:
        found = list(service.pushes(account, state))
        return found if len(found) >= count else None

    return wait_for(f"{count} pushes of {account} are {state}", met)


def metric(service: Service, name: str) -> float:
    """Value of a metric, written as it is exposed: ``name`` or ``name{label="value"}``."""
    for line in service.ask("/metrics")[2].decode().splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"no metric {name}")


# -- networks of their own --

_libc = ctypes.CDLL(None, use_errno=True)
_NETWORK = 0x40000000  # CLONE_NEWNET


def command(*words: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")


@contextlib.contextmanager
def network(name: str) -> Iterator[str]:
    """A network namespace with loopback up, removed at the end; raises :class:`OSError`."""
    name = f"{name}-{os.getpid()}"
    command("ip", "netns", "add", name)
    try:
        command("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        command("ip", "netns", "del", name)


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """Enter a namespace with this thread: its sockets, threads and processes to come are there."""
    with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{name}") as there:
        _enter(there)
        try:
            yield
        finally:
            _enter(before)


def _enter(namespace: IO[str]) -> None:
    if _libc.setns(namespace.fileno(), _NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def bad_cable(
    ends: tuple[tuple[str, str], tuple[str, str]], loss: float, delays: tuple[float, float]
) -> Iterator[None]:
    """A cable between two namespaces that loses packets and delays them; no kernel module needed.

    ``ends`` are namespace and address; ``delays`` in seconds, from each end to the other. Each
    end is a TUN device, and a thread carries the packets. Raises :class:`OSError` without TUN.
    """
    devices = []
    with contextlib.ExitStack() as stack:
        for name, address in ends:
            with inside(name):
                device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
                stack.callback(os.close, device)
                fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"cable", 0x1001))
            devices.append(device)
            command("ip", "-n", name, "address", "add", f"{address}/24", "dev", "cable")
            command("ip", "-n", name, "link", "set", "cable", "up")
        other = dict(zip(devices, reversed(devices), strict=True))
        delay = dict(zip(devices, delays, strict=True))
        chance = random.Random(20260305)
        stopping = threading.Event()

        def carry() -> None:
            under_way: list[tuple[float, int, int, bytes]] = []
            number = 0
            while not stopping.is_set():
                now = time.monotonic()
                while under_way and under_way[0][0] <= now:
                    _, _, device, packet = heapq.heappop(under_way)
                    with contextlib.suppress(OSError):  # no room: one packet more that is lost
                        os.write(device, packet)
                wait = under_way[0][0] - now if under_way else 0.1
                for device in select.select(devices, [], [], min(wait, 0.1))[0]:
                    packet = os.read(device, 65_536)
                    number += 1
                    if chance.random() >= loss:
                        due = time.monotonic() + delay[device]
                        heapq.heappush(under_way, (due, number, other[device], packet))

        thread = threading.Thread(target=carry, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(5)


# -- customers as processes of their own --


class _Hanging(asyncio.Protocol):
    """Takes everything and never answers."""

    open: ClassVar[set[asyncio.Transport]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.discard(self._transport)


async def _hang() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Hanging, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        for transport in list(_Hanging.open):
            transport.abort()
    server.close()


@contextlib.contextmanager
def process(*command: str, **settings: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that prints one line when it is ready and ends when its stdin does."""
    started = subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        **settings,  # type: ignore[call-overload]
    )
    assert started.stdin is not None
    assert started.stdout is not None
    try:
        yield started, started.stdout.readline().strip()
    finally:
        started.stdin.close()
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
        started.stdout.close()


@contextlib.contextmanager
def hanging() -> Iterator[tuple[str, Callable[[], None]]]:
    """A process that accepts any number of connections and never answers.

    Yields its URL, and a function that resets the connections there are.
    """
    with process("-m", "tests.acceptance.customers", "hang") as (running_, port):
        stdin = running_.stdin
        assert stdin is not None

        def reset() -> None:
            stdin.write("reset\n")
            stdin.flush()

        yield f"http://127.0.0.1:{port}/voice_status", reset


if __name__ == "__main__":
    assert sys.argv[1:] == ["hang"]
    asyncio.run(_hang())
