"""Servers that behave and misbehave, and transports to call them with, on both event loops."""

import asyncio
import contextlib
import functools
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import uvloop

from statuspush.transport import AddressGuard, PostRequest, Transport, tls

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


shared_context = functools.lru_cache(tls.make_context)


def pytest_asyncio_loop_factories(config, item):
    """Run every asynchronous test of this folder on the stdlib's loop and on uvloop."""
    return LOOPS


@dataclass
class Seen:
    """A request as a server saw it."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Peer:
    """The server's side of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: "Server"

    async def head(self) -> Seen:
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = text.removesuffix("\r\n\r\n").split("\r\n")
        pairs = [tuple(each.split(": ", 1)) for each in rest]
        seen = Seen(line, pairs, b"")
        self.server.requests.append(seen)
        return seen

    async def request(self) -> Seen:
        seen = await self.head()
        seen.body = await self.reader.readexactly(int(seen.all("content-length")[0]))
        return seen

    async def send(self, *parts: bytes) -> None:
        """Write each part as a segment of its own."""
        for part in parts:
            if self.writer.is_closing():  # uvloop raises a RuntimeError for the write
                raise ConnectionResetError("the client has closed the connection")
            self.writer.write(part)
            await self.writer.drain()
            if len(parts) > 1:
                await asyncio.sleep(0.005)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hang(self) -> None:
        """Stay open without a word until the test is over."""
        await asyncio.Event().wait()


Handler = Callable[[Peer], Awaitable[None]]


@dataclass
class Server:
    """A server on 127.0.0.1 and what it has seen."""

    port: int = 0
    connections: int = 0
    requests: list[Seen] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/callback"


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    """Start servers: ``await serve(handler)``; the connection closes when the handler returns."""
    stack = contextlib.AsyncExitStack()
    tasks: set[asyncio.Task[None]] = set()

    async def start(handler: Handler, *, tls: ssl.SSLContext | None = None) -> Server:
        seen = Server()

        async def connected(reader, writer):
            seen.connections += 1
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await handler(Peer(reader, writer, seen))
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            except Exception as error:
                seen.errors.append(error)
            finally:
                # Closing twice makes abort() fail on CPython 3.11.2 where TLS is spoken.
                if not writer.is_closing():
                    writer.close()
                tasks.discard(task)
                stack.callback(writer.transport.abort)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
        seen.port = server.sockets[0].getsockname()[1]
        stack.callback(server.close)
        stack.callback(lambda: None if not seen.errors else pytest.fail(repr(seen.errors)))
        return seen

    yield start
    for task in list(tasks):
        task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    await stack.aclose()
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def make_transport(monkeypatch) -> AsyncIterator[Callable[..., Transport]]:
    """Make transports that may call loopback, closed when the test is over."""
    made: list[Transport] = []
    # Reading the system's certificates takes 20 ms, in hundreds of tests.
    monkeypatch.setattr(tls, "make_context", shared_context)

    def make(**settings: Any) -> Transport:
        settings.setdefault("guard", AddressGuard(LOOPBACK))
        made.append(Transport(**settings))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()


@pytest.fixture
def transport(make_transport) -> Transport:
    """A transport that may call loopback."""
    return make_transport()


@pytest.fixture
def request_for() -> Callable[..., PostRequest]:
    """Make requests with short limits."""

    def make(url: str, body: bytes = b"voice_status=%5B%5D", **settings: Any) -> PostRequest:
        settings.setdefault("headers", [("Accept", "application/json;charset=utf-8;")])
        settings.setdefault("connect_seconds", 1.0)
        settings.setdefault("timeout_seconds", 3.0)
        return PostRequest(url=url, body=body, **settings)

    return make


class FakeResolver:
    """Answers in turn with the lists given, the last one again and again; counts lookups."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = [[ip_address(text) for text in answer] for answer in answers]
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int):
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def fake_resolver() -> type[FakeResolver]:
    """The class of resolvers with answers made up by the test."""
    return FakeResolver


def answer(body: bytes = b"SUCCESS", status: str = "200 OK", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode("latin-1") + body


@pytest.fixture(name="answer")
def answer_fixture() -> Callable[..., bytes]:
    """Write an HTTP answer with Content-Length."""
    return answer


@pytest.fixture
def answering() -> Callable[..., Handler]:
    """Make handlers that read each request and answer with the same parts."""

    def make(*parts: bytes) -> Handler:
        async def handle(peer: Peer) -> None:
            while True:
                await peer.request()
                await peer.send(*parts)

        return handle

    return make
