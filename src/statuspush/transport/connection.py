"""One connection to a customer's server: writes a request, waits for its answer, or gives up."""

import asyncio
import contextlib
import os
import select
import ssl
from collections.abc import Callable
from typing import Final, cast

from statuspush.core.outcome import Cause, SendResult, Unanswered
from statuspush.transport import tls
from statuspush.transport.answer import AnswerReader
from statuspush.transport.deadlines import Deadlines

Origin = tuple[str, str, int]
"""Scheme, host and port: requests with the same origin may share a connection."""

_JOIN_BYTES: Final = 16 * 1024
"""Up to this size head and body are copied together, which is cheaper than two buffers."""
_SLICE_BYTES: Final = 512 * 1024
"""Larger bodies (the contract has none) are written in slices, each when the previous one has
left, so that a server that does not read costs only the memory of one slice."""


class HttpConnection(asyncio.Protocol):
    """An open connection, used by one request at a time.

    Nothing is ever sent twice here: once a byte of a request may have left, whatever happens
    becomes its result, and the retries of the contract take over (section 4).
    """

    __slots__ = (
        "_deadlines",
        "_done",
        "_limit_seconds",
        "_on_free",
        "_on_lost",
        "_paused",
        "_poll",
        "_reader",
        "_tick",
        "_tls",
        "_transport",
        "_unsent",
        "expires_at",
        "keep_alive_seconds",
        "origin",
        "retires_at",
        "reusable",
    )

    def __init__(
        self,
        origin: Origin,
        retires_at: float,
        deadlines: Deadlines,
        on_free: Callable[["HttpConnection"], None],
        on_lost: Callable[["HttpConnection"], None],
    ) -> None:
        """Make the protocol object of a connection that is about to be opened.

        Args:
            origin: what the connection may be used for.
            retires_at: loop time after which no further request is sent on it.
            deadlines: watches the requests' deadlines.
            on_free: called after an exchange that leaves it fit for another.
            on_lost: called once, when the connection is gone.
        """
        self.origin = origin
        self.retires_at = retires_at
        self.expires_at = retires_at
        """Loop time until which it may stay idle; kept by the pool."""
        self.reusable = False
        """Whether the last exchange left the connection fit for another."""
        self.keep_alive_seconds: int | None = None
        """How long the server said it keeps the connection, in seconds."""
        self._on_lost = on_lost
        self._reader = AnswerReader()
        self._transport: asyncio.Transport | None = None
        self._tls = False
        self._deadlines = deadlines
        self._on_free = on_free
        self._done: Callable[[SendResult], None] | None = None  # of the request under way
        self._limit_seconds = 0.0
        self._tick = 0
        self._unsent: memoryview | None = None
        self._paused = False
        self._poll: select.poll | None = None

    def start(
        self,
        head: bytes,
        body: bytes,
        deadline: float,
        limit_seconds: float,
        done: Callable[[SendResult], None],
    ) -> None:
        """Send a request.

        Args:
            head: request line and headers with the empty line.
            body: the body, sent unchanged.
            deadline: loop time at which to give up, whatever state the exchange is in.
            limit_seconds: the length of that limit, for the text of the result.
            done: called once with the answer, or why there is none, possibly before this
                returns. By then the connection is back in the pool or closed.
        """
        transport = self._transport
        assert transport is not None
        if transport.is_closing():
            words = "the server closed the connection before the request"
            done(Unanswered(Cause.CONNECTION_RESET, words))
            return
        self.reusable = False
        self._reader.start()
        self._done = done
        self._limit_seconds = limit_seconds
        self._tick = self._deadlines.add(self, deadline)
        self._write(transport, head, body)

    async def exchange(
        self, head: bytes, body: bytes, deadline: float, limit_seconds: float
    ) -> SendResult:
        """Send a request and wait for its answer; the arguments are those of :meth:`start`.

        If the caller is cancelled, the connection is closed.
        """
        waiter: asyncio.Future[SendResult] = asyncio.get_running_loop().create_future()

        def done(result: SendResult) -> None:
            if not waiter.done():  # it is, if the caller was cancelled a moment ago
                waiter.set_result(result)

        self.start(head, body, deadline, limit_seconds, done)
        try:
            return await waiter
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Give up the request under way: ``done`` is not called, and the connection is closed.

        Otherwise the late answer would be taken for that of the next request.
        """
        if self._done is not None:
            self._done = None
            self._deadlines.discard(self, self._tick)
            self.abort()

    def looks_alive(self) -> bool:
        """Whether an idle connection is still fit for a request, as far as can be known.

        A look at the socket finds a close that the event loop has not processed yet. This narrows
        the window in which a request goes out on a dead connection; it cannot close it.
        """
        transport = self._transport
        if transport is None or transport.is_closing() or not self.reusable:
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._poll.poll(0)

    def interrupt(self) -> None:
        """End a request under way because we are shutting down, and close."""
        self.abort()
        self._settle(Unanswered(Cause.INTERRUPTED, "the transport was closed"))

    def expire(self) -> None:
        """The deadline of the request under way has passed."""
        words = f"{self._limit_seconds:g} s were over {self._reader.progress()}"
        self.abort()
        self._settle(Unanswered(Cause.TIMEOUT, words))

    def abort(self) -> None:
        """Close immediately; what was not sent is dropped."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def secured(self, transport: asyncio.Transport) -> None:
        """Use this transport from now on: the TLS one around the first."""
        self._transport = transport
        self._tls = True

    # -- called by the event loop --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TCP connection, or the tunnel, is established."""
        # Not an assert: uvloop's transports do not derive from the stdlib's class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer."""
        reader = self._reader
        if self._done is None:
            # Unsolicited: it would be taken for the answer to the next request.
            self.abort()
            return
        reader.feed(data)
        if reader.outcome is None:
            return
        transport = self._transport
        assert transport is not None
        if (
            reader.keep_alive
            and not reader.surplus
            and self._unsent is None
            and not transport.get_write_buffer_size()
        ):
            self.keep_alive_seconds = reader.keep_alive_seconds
            self.reusable = True
        else:
            # Also after an early answer, when the rest of the request is not wanted.
            self.abort()
        self._settle(reader.outcome)

    def eof_received(self) -> None:
        """The server will send nothing more; the transport closes itself."""
        self.reusable = False
        if self._done is not None:
            self._settle(self._reader.ended())

    def pause_writing(self) -> None:
        """The send buffer is full."""
        self._paused = True

    def resume_writing(self) -> None:
        """The send buffer has room again."""
        self._paused = False
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; a request under way ends here."""
        self.reusable = False
        self._unsent = None
        if self._done is not None:
            if exc is None:
                self._settle(self._reader.ended())
            elif isinstance(exc, ssl.SSLError):
                self._settle(Unanswered(Cause.TLS_FAILED, tls.explain(exc)))
            else:
                self._settle_broken(exc)
        self._reader.release()
        self._on_lost(self)

    # -- inside --

    def _settle(self, result: SendResult) -> None:
        done = self._done
        if done is None:
            return
        self._done = None
        self._deadlines.discard(self, self._tick)
        if self.reusable:
            self._on_free(self)
        done(result)

    def _settle_broken(self, exc: Exception) -> None:
        # A server that refuses a body answers and resets. If our write sees the reset before our
        # read sees the answer, the answer is still in the socket, which stays open until this
        # callback returns.
        if not self._tls and self._transport is not None:
            with contextlib.suppress(OSError):
                fd = self._transport.get_extra_info("socket").fileno()
                while fd >= 0 and self._reader.outcome is None and (data := os.read(fd, 65536)):
                    self._reader.feed(data)
        words = os.strerror(exc.errno) if isinstance(exc, OSError) and exc.errno else "lost"
        self._settle(self._reader.broken(f"{words},"))

    def _write(self, transport: asyncio.Transport, head: bytes, body: bytes) -> None:
        if len(body) <= _JOIN_BYTES:
            transport.write(head + body)
        elif len(body) <= _SLICE_BYTES:
            transport.writelines((head, body))
        else:
            transport.write(head)
            self._unsent = memoryview(body)
            self._pump()

    def _pump(self) -> None:
        transport = self._transport
        assert transport is not None
        while self._unsent is not None and not self._paused and not transport.is_closing():
            part, rest = self._unsent[:_SLICE_BYTES], self._unsent[_SLICE_BYTES:]
            self._unsent = rest if len(rest) else None
            transport.write(part)
