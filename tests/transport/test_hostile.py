"""Servers that hang, drip, flood and lie: every send ends in time and stays small."""

import asyncio
import contextlib
import errno
import gzip
import socket
import threading
import time
import tracemalloc

import pytest

from statuspush.core.outcome import Answered, Cause, Unanswered
from statuspush.transport.answer import MAX_BODY_BYTES, AnswerReader
from statuspush.transport.dial import Dialer, _connect_failed

SUCCESS = Answered(200, b"SUCCESS")
LIMIT = 0.25
SLACK = 1.0  # faults 14 to 17 ask for the limit plus one second


@contextlib.contextmanager
def in_time(limit: float = LIMIT):
    """The block takes its limit, and not a second more."""
    start = time.perf_counter()
    yield
    took = time.perf_counter() - start
    assert limit * 0.8 <= took < limit + SLACK


def is_cause(result, cause: Cause) -> bool:
    return isinstance(result, Unanswered) and result.cause is cause


async def drip(peer, data: bytes) -> None:
    for byte in data:
        await peer.send(bytes([byte]))
        await asyncio.sleep(0.02)


async def silent(peer):
    await peer.request()
    await peer.hang()


async def silent_without_reading(peer):
    await peer.hang()


async def dripping_headers(peer):
    await peer.request()
    await drip(peer, b"HTTP/1.1 200 OK\r\n" + b"X-Header: value\r\n" * 1000)


async def endless_headers_within_the_limit(peer):
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n")
    await drip(peer, b"X" * 10_000)


async def dripping_body(peer):
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    await drip(peer, b"S" * 1000)


async def endless_chunks(peer):
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await peer.send(b"1\r\n0\r\n")
        await asyncio.sleep(0.005)


async def body_without_end(peer):
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\nSUCCESS")
    await peer.hang()


async def last_chunk_missing(peer):
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nSUCCESS\r\n")
    await peer.hang()


async def interim_answers_for_ever(peer):
    await peer.request()
    for _ in range(10):
        await peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(0.02)
    await peer.hang()


@pytest.mark.parametrize(
    "handler",
    [
        silent,
        silent_without_reading,
        dripping_headers,
        endless_headers_within_the_limit,
        dripping_body,
        endless_chunks,
        body_without_end,
        last_chunk_missing,
        interim_answers_for_ever,
    ],
)
async def test_total_deadline(handler, serve, transport, request_for):
    """Whatever comes or does not come: the deadline ends it, and the result is a timeout."""
    server = await serve(handler)
    with in_time():
        result = await transport.post(request_for(server.url, timeout_seconds=LIMIT))
    assert is_cause(result, Cause.TIMEOUT)
    assert "0.25 s" in result.detail


async def test_deadline_on_a_reused_connection(serve, answer, transport, request_for):
    """The deadline counts from each post, not from the connection."""

    async def first_only(peer):
        await peer.request()
        await peer.send(answer())
        await silent(peer)

    server = await serve(first_only)
    assert await transport.post(request_for(server.url)) == SUCCESS
    with in_time():
        result = await transport.post(request_for(server.url, timeout_seconds=LIMIT))
    assert is_cause(result, Cause.TIMEOUT)
    assert server.connections == 1


async def test_server_that_does_not_read_20_mb(serve, transport, request_for):
    """The deadline ends it; what waits in memory is a slice of the body, not the body."""

    async def deaf(peer):
        peer.writer.transport.pause_reading()
        await peer.hang()

    server = await serve(deaf)
    body = bytes(20_000_000)
    tracemalloc.start()
    try:
        with in_time():
            result = await transport.post(request_for(server.url, body, timeout_seconds=LIMIT))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert is_cause(result, Cause.TIMEOUT)
    assert peak < 3_000_000  # stdlib copies the slice; the test's server buffers too


async def test_syn_blackhole(transport, request_for):
    """The connect limit ends it.

    A listening socket whose queue is full drops further SYNs on Linux, which is what a firewall
    that drops packets looks like; nothing leaves loopback.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            assert filler.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS)
        await asyncio.sleep(0.02)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with in_time():
            result = await transport.post(request_for(url, connect_seconds=LIMIT))
        assert is_cause(result, Cause.CONNECT_TIMEOUT)
        with in_time():
            result = await transport.post(request_for(url, timeout_seconds=LIMIT))
        assert is_cause(result, Cause.TIMEOUT)


async def test_blackholed_address_leaves_time_for_the_next(
    serve, answering, answer, make_transport, fake_resolver, request_for
):
    """Each address gets a share of the connect limit."""
    server = await serve(answering(answer()))
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.7", server.port))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        await asyncio.sleep(0.02)
        transport = make_transport(resolver=fake_resolver(["127.0.0.7", "127.0.0.1"]))
        request = request_for(f"http://push.example:{server.port}/", connect_seconds=2 * LIMIT)
        with in_time(LIMIT):
            assert await transport.post(request) == SUCCESS


class Flood:
    """A server in a thread, with blocking sockets: it sends a head, then one block for ever.

    In a thread, because it is to send as fast as it can, and because the memory that is
    measured is to be the client's alone.
    """

    def __init__(self, head: bytes, block: bytes, total: int) -> None:
        self.sent = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._run, args=(head, block, total), daemon=True)

    def _run(self, head: bytes, block: bytes, total: int) -> None:
        peer, _ = self._listener.accept()
        with peer, contextlib.suppress(OSError):
            peer.settimeout(5)
            peer.recv(65536)
            peer.sendall(head)
            while self.sent < total:
                self.sent += peer.send(block)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.close()
        self._thread.join(5)


@pytest.mark.parametrize(
    ("head", "block", "first"),
    [
        (b"Content-Length: 10000000000\r\n\r\n", b"a" * 65536, b"aaaaaaa"),
        (b"\r\n", b"a" * 65536, b"aaaaaaa"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"8000\r\n" + b"a" * 32768 + b"\r\n", b"aaaaaaa"),
        (b"Content-Length: 10000007\r\n\r\nSUCCESS", b"a" * 65536, b"SUCCESS"),
    ],
)
async def test_large_bodies_are_cut(head, block, first, transport, request_for, monkeypatch):
    """Of 10 GB, 64 KiB are kept and at most one read more is taken from the socket."""
    taken = 0
    feed = AnswerReader.feed

    def counting(self, data):
        nonlocal taken
        taken += len(data)
        feed(self, data)

    monkeypatch.setattr(AnswerReader, "feed", counting)
    with Flood(b"HTTP/1.1 200 OK\r\n" + head, block, 10_000_000_000) as flood:
        tracemalloc.start()
        try:
            result = await transport.post(request_for(flood.url))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert isinstance(result, Answered)
    assert not result.complete
    assert len(result.body) == MAX_BODY_BYTES
    assert result.body.startswith(first)
    assert taken <= MAX_BODY_BYTES + 2 * 262_144
    assert peak < 1_000_000
    assert flood.sent < 50_000_000  # what fits into the kernel's buffers


@pytest.mark.parametrize(
    "block", [b"X-Flood: abcdefgh\r\n" * 1000, b"a" * 65536, b"HTTP/1.1 100 C\r\n\r\n" * 1000]
)
async def test_head_floods(block, transport, request_for):
    """Headers, a header line or interim answers without end are an invalid response."""
    head = b"" if block.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\nX: "
    with Flood(head, block, 1_000_000_000) as flood:
        result = await transport.post(request_for(flood.url))
    assert is_cause(result, Cause.INVALID_RESPONSE)


async def test_gzip_bomb_is_never_inflated(serve, answering, answer, transport, request_for):
    """50 kB stay 50 kB."""
    bomb = gzip.compress(bytes(52_000_000), 9)
    assert len(bomb) < MAX_BODY_BYTES
    server = await serve(answering(answer(bomb, extra="Content-Encoding: gzip\r\n")))
    tracemalloc.start()
    try:
        result = await transport.post(request_for(server.url))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result == Answered(200, bomb, content_encoding="gzip")
    assert peak < 1_000_000


@pytest.mark.parametrize(
    "garbage", [b"SSH-2.0-x\r\n", b"SUCCESS", b"\x16\x03\x01\x02\x00", b"220 mail ESMTP\r\n"]
)
async def test_garbage(garbage, serve, answering, transport, request_for):
    """Something else than HTTP answers."""
    server = await serve(answering(garbage))
    assert is_cause(await transport.post(request_for(server.url)), Cause.INVALID_RESPONSE)


async def test_server_that_speaks_first(serve, transport, request_for):
    """A greeting of another protocol is not an answer."""

    async def greet(peer):
        await peer.send(b"220 mail ESMTP\r\n")
        await peer.hang()

    server = await serve(greet)
    assert is_cause(await transport.post(request_for(server.url)), Cause.INVALID_RESPONSE)


# -- our own machine --


async def test_no_descriptor_left(serve, answering, answer, transport, request_for, monkeypatch):
    """Idle connections give way; if that does not help, the send is interrupted, not failed."""
    dropped = asyncio.Event()

    async def handle(peer):
        try:
            await answering(answer())(peer)
        finally:
            dropped.set()

    server = await serve(handle)
    assert await transport.post(request_for(server.url)) == SUCCESS  # leaves an idle connection
    attempts = 0

    async def connect(*args):
        nonlocal attempts
        attempts += 1
        raise _connect_failed(OSError(errno.EMFILE, "Too many open files"), "192.0.2.1:80")

    monkeypatch.setattr(Dialer, "_connect", connect)
    for expected in (2, 3):  # the second attempt is after the idle connection was closed
        result = await transport.post(request_for("http://127.0.0.1:9/"))
        assert is_cause(result, Cause.INTERRUPTED)
        assert attempts == expected
    await asyncio.wait_for(dropped.wait(), 1)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (errno.ECONNREFUSED, Cause.CONNECTION_REFUSED),
        (errno.EHOSTUNREACH, Cause.CONNECTION_REFUSED),
        (errno.ENETUNREACH, Cause.CONNECTION_REFUSED),
        (errno.EPERM, Cause.CONNECTION_REFUSED),
        (errno.ETIMEDOUT, Cause.CONNECT_TIMEOUT),
        (errno.ENFILE, Cause.INTERRUPTED),
        (errno.EADDRNOTAVAIL, Cause.INTERRUPTED),
    ],
)
def test_errors_of_connect(code, cause):
    """Each error of the system has its cause, with the system's words."""
    result = _connect_failed(OSError(code, "noise"), "192.0.2.1:80").result
    assert result.cause is cause
    assert result.detail.startswith("192.0.2.1:80: ")
