"""The front of the transport: one POST, one result."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

import statuspush
from statuspush.core.outcome import Cause, SendResult, Unanswered
from statuspush.core.push_request import PostRequest
from statuspush.core.url import InvalidUrl, ParsedUrl, validate_url
from statuspush.transport import tls
from statuspush.transport.connection import HttpConnection, Origin
from statuspush.transport.deadlines import Deadlines
from statuspush.transport.dial import Dialer, DialFailed
from statuspush.transport.guard import AddressGuard
from statuspush.transport.headers import header_block
from statuspush.transport.pool import IdlePool
from statuspush.transport.proxy import parse_proxy
from statuspush.transport.resolver import Resolver, SystemResolver

MAX_CONNECTION_SECONDS: Final = 300.0
"""Age after which a connection is not reused, so that a changed DNS entry is noticed."""

_CLOSING_TURNS: Final = 100

Done = Callable[[SendResult | Exception], None]
"""Takes the result of a send."""


class Sending(Protocol):
    """A send under way."""

    def cancel(self) -> object:
        """Abandon it and close its connection; its ``done`` is not called."""
        ...


@dataclass(frozen=True, slots=True)
class _Route:
    """The parts that are the same for all requests to a URL."""

    url: ParsedUrl
    origin: Origin
    head: bytes


class Transport:
    """Sends POSTs over HTTP/1.1, keeps connections alive, and guards where they go.

    Each :meth:`post` writes its request at most once. Redirects are not followed, bodies are not
    inflated, cookies and the proxy variables of the environment are ignored. Use one instance
    per event loop; it works on the stdlib's loop and on uvloop.
    """

    def __init__(
        self,
        *,
        guard: AddressGuard,
        proxy: str | None = None,
        resolver: Resolver | None = None,
        ca_file: str | None = None,
        max_idle_connections: int = 1024,
        idle_seconds: float = 20.0,
    ) -> None:
        """Make a transport; no connection is opened and no loop needed yet.

        Args:
            guard: judges every address before it is connected to.
            proxy: ``http://[user:password@]host:port``; all connections then go through CONNECT
                tunnels to the addresses checked here. The proxy's own address is not judged.
            resolver: turns names into addresses; the system's when None.
            ca_file: PEM file of authorities trusted in addition to the system's.
            max_idle_connections: most idle connections kept.
            idle_seconds: longest time a connection is kept idle. 20 s is below the 60 to 75 s
                after which common servers close, but above the 5 s of some (Node, uvicorn): those
                announce it, which is honoured, or close, which is noticed before sending.

        Raises:
            InputError: the proxy or the CA file cannot be used.
        """
        self._dialer = Dialer(
            guard,
            resolver if resolver is not None else SystemResolver(),
            tls.make_context(ca_file),
            parse_proxy(proxy) if proxy is not None else None,
        )
        self._pool = IdlePool(max_idle_connections, idle_seconds)
        self._deadlines = Deadlines()
        self._open: set[HttpConnection] = set()
        self._dialing: set[asyncio.Task[None]] = set()
        self._closed = False

    def start(self, request: PostRequest, done: Done) -> Sending | None:
        """Send one POST and call ``done`` with the result.

        Over an idle connection the request is written before this returns, without a task.

        Args:
            request: URL, headers, body and limits.
            done: called once, possibly before this returns, unless the send is cancelled. It
                gets :class:`~statuspush.core.outcome.Answered` with the status and at most
                64 KiB of the body, or :class:`~statuspush.core.outcome.Unanswered`. An answer
                that is not whole at the deadline is a ``TIMEOUT``, one cut by the network a
                ``CONNECTION_RESET`` (but see :meth:`AnswerReader.broken` for 413).
                ``INTERRUPTED`` means that the fault was ours: the transport was closed, or this
                machine had no descriptor or port left. An exception is a defect of ours.

        Returns:
            What cancels the send, useless after ``done``. None if ``done`` was already called.

        Raises:
            InvalidHeader: the headers cannot be sent, which is the caller's mistake.
        """
        if self._closed:
            done(Unanswered(Cause.INTERRUPTED, "the transport was closed"))
            return None
        loop = asyncio.get_running_loop()
        now = loop.time()
        deadline = now + request.timeout_seconds
        try:
            route = _route(request.url)
        except InvalidUrl as error:
            done(Unanswered(Cause.INVALID_URL, str(error)))
            return None
        body = request.body
        head = b"%b%b%bContent-Length: %d\r\n\r\n" % (
            route.head,
            _shared_block(request.shared_headers),
            header_block(request.headers),
            len(body),
        )
        connection = self._pool.take(route.origin, now)
        if connection is not None:
            connection.start(head, body, deadline, request.timeout_seconds, done)
            return connection
        dialing = loop.create_task(self._dial_and_send(route, request, head, deadline, done))
        self._dialing.add(dialing)
        dialing.add_done_callback(self._dialing.discard)
        return dialing

    async def post(self, request: PostRequest) -> SendResult:
        """Send one POST and return its result; see :meth:`start` for both.

        Raises:
            InvalidHeader: the headers cannot be sent, which is the caller's mistake.
            asyncio.CancelledError: the caller was cancelled; the connection is closed.
        """
        waiter: asyncio.Future[SendResult] = asyncio.get_running_loop().create_future()

        def done(result: SendResult | Exception) -> None:
            if waiter.done():  # the caller was cancelled a moment ago
                return
            if isinstance(result, Exception):
                waiter.set_exception(result)
            else:
                waiter.set_result(result)

        sending = self.start(request, done)
        try:
            return await waiter
        except asyncio.CancelledError:
            if sending is not None:
                sending.cancel()
            raise

    async def close(self) -> None:
        """Close everything: requests under way end with ``INTERRUPTED``, idle connections close.

        May be called twice. Later posts return ``INTERRUPTED``.
        """
        self._closed = True
        self._dialer.stop()
        self._pool.clear()
        for connection in list(self._open):
            connection.interrupt()
        # The loop tells connections in a later turn that they are gone; until then their sockets
        # count as leaked. Bounded, because a peer must not be able to delay our exit.
        quiet_turns = 0
        for _ in range(_CLOSING_TURNS):
            await asyncio.sleep(0)
            quiet_turns = 0 if self._open or self._dialing else quiet_turns + 1
            if quiet_turns > 2:
                break
        self._deadlines.stop()

    async def _dial_and_send(
        self, route: _Route, request: PostRequest, head: bytes, deadline: float, done: Done
    ) -> None:
        result: SendResult | Exception
        try:
            connection = await self._connect(route, request.connect_seconds, deadline)
            result = await connection.exchange(
                head, request.body, deadline, request.timeout_seconds
            )
        except DialFailed as failure:
            result = failure.result
        except Exception as error:
            result = error
        done(result)

    async def _connect(
        self, route: _Route, connect_seconds: float, deadline: float
    ) -> HttpConnection:
        retires_at = asyncio.get_running_loop().time() + MAX_CONNECTION_SECONDS

        def make() -> HttpConnection:
            return HttpConnection(
                route.origin, retires_at, self._deadlines, self._freed, self._lost
            )

        try:
            connection = await self._dialer.dial(route.url, make, connect_seconds, deadline)
        except DialFailed as failure:
            if not failure.exhausted or not len(self._pool):
                raise
            # Idle connections hold descriptors that a send needs now. Nothing was sent yet, so
            # trying again is not a second send.
            self._pool.clear()
            await asyncio.sleep(0)
            connection = await self._dialer.dial(route.url, make, connect_seconds, deadline)
        self._open.add(connection)
        if self._closed:  # in the same turn of the loop as it connected
            connection.abort()
        return connection

    def _freed(self, connection: HttpConnection) -> None:
        self._pool.put(connection, asyncio.get_running_loop().time())

    def _lost(self, connection: HttpConnection) -> None:
        self._open.discard(connection)
        self._pool.discard(connection)


_shared_block = lru_cache(maxsize=4096)(header_block)


@lru_cache(maxsize=4096)
def _route(url: str) -> _Route:
    """Parse a URL and write the part of the head that depends only on it."""
    parsed = validate_url(url)
    head = (
        f"POST {parsed.target} HTTP/1.1\r\n"
        f"Host: {parsed.host_header}\r\n"
        f"User-Agent: statuspush/{statuspush.__version__}\r\n"
        # The body is judged byte by byte and never inflated, so ask for it uncompressed.
        "Accept-Encoding: identity\r\n"
    )
    return _Route(parsed, (parsed.scheme, parsed.host, parsed.port), head.encode("ascii"))
