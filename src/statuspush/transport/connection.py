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

Origin = tuple[str, str, int]
"""Scheme, host and port: requests to the same ones may share a connection."""

_JOIN_BYTES: Final = 16 * 1024
"""Up to here head and body are copied together, which is cheaper than two buffers."""
_SLICE_BYTES: Final = 512 * 1024
"""Larger bodies (none of the contract's) are written in slices, each when the one before has
left, so that a server that does not read costs no more memory than a slice."""


class HttpConnection(asyncio.Protocol):
    """An open connection, used by one request at a time.

    Nothing is ever sent twice here: once a byte of a request could have left, whatever happens
    becomes its result, and the retries of the contract decide (section 4).
    """

    __slots__ = (
        "_loop",
        "_on_lost",
        "_paused",
        "_poll",
        "_reader",
        "_tls",
        "_transport",
        "_unsent",
        "_waiter",
        "expires_at",
        "keep_alive_seconds",
        "origin",
        "retires_at",
        "reusable",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        origin: Origin,
        retires_at: float,
        on_lost: Callable[["HttpConnection"], None],
    ) -> None:
        """Make the protocol object of a connection that is about to be opened.

        Args:
            loop: the running loop.
            origin: what the connection may be used for.
            retires_at: loop time after which no further request is sent on it.
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
        self._loop = loop
        self._on_lost = on_lost
        self._reader = AnswerReader()
        self._transport: asyncio.Transport | None = None
        self._tls = False
        self._waiter: asyncio.Future[SendResult] | None = None
        self._unsent: memoryview | None = None
        self._paused = False
        self._poll: select.poll | None = None

    async def exchange(
        self, head: bytes, body: bytes, deadline: float, limit_seconds: float
    ) -> SendResult:
        """Send a request and wait for its answer.

        Args:
            head: request line and headers with the empty line.
            body: the body, sent unchanged.
            deadline: loop time at which to give up, whatever state the exchange is in.
            limit_seconds: the length of that limit, for the words of the result.

        Returns:
            The answer, or why there is none. Afterwards :attr:`reusable` tells whether the
            connection can be used again; if not, it is closed already.
        """
        assert self._transport is not None
        if self._transport.is_closing():
            return Unanswered(
                Cause.CONNECTION_RESET, "the server closed the connection before the request"
            )
        self.reusable = False
        self._reader.start()
        waiter: asyncio.Future[SendResult] = self._loop.create_future()
        self._waiter = waiter
        timer = self._loop.call_at(deadline, self._give_up, limit_seconds)
        try:
            self._write(self._transport, head, body)
            return await waiter
        except BaseException:
            # Cancelled: the answer would come to nobody and be taken for the next one's.
            self.abort()
            raise
        finally:
            timer.cancel()
            self._waiter = None

    def looks_alive(self) -> bool:
        """Whether an idle connection is still fit for a request, as far as can be known.

        A look at the socket finds the close that the event loop has not come to yet. This
        narrows the window in which a request goes out on a dead connection; it cannot shut it.
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
        self._settle(Unanswered(Cause.INTERRUPTED, "the transport was closed"))
        self.abort()

    def abort(self) -> None:
        """Close at once; what was not sent is dropped."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def secured(self, transport: asyncio.Transport) -> None:
        """Use this transport from now on: the TLS one around the first."""
        self._transport = transport
        self._tls = True

    # -- called by the event loop --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TCP connection, or the tunnel, is there."""
        # Not an assert: uvloop's transports do not derive from the stdlib's class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer."""
        reader = self._reader
        waiter = self._waiter
        if waiter is None or waiter.done():
            # Nobody asked. What it says would be taken for the answer to the next request.
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
            # Also after an early answer: the rest of the request is not wanted.
            self.abort()
        waiter.set_result(reader.outcome)

    def eof_received(self) -> None:
        """The server sends nothing more; the transport closes itself."""
        self.reusable = False
        if self._waiting:
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
        if self._waiting:
            if exc is None:
                self._settle(self._reader.ended())
            elif isinstance(exc, ssl.SSLError):
                self._settle(Unanswered(Cause.TLS_FAILED, tls.explain(exc)))
            else:
                self._settle_broken(exc)
        self._reader.release()
        self._on_lost(self)

    # -- inside --

    @property
    def _waiting(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _settle(self, result: SendResult) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(result)

    def _settle_broken(self, exc: Exception) -> None:
        # A server that refuses a body answers and resets. When our write meets the reset before
        # our read meets the answer, the answer still lies in the socket, which stays open until
        # this callback returns.
        if not self._tls and self._transport is not None:
            with contextlib.suppress(OSError):
                fd = self._transport.get_extra_info("socket").fileno()
                while fd >= 0 and self._reader.outcome is None and (data := os.read(fd, 65536)):
                    self._reader.feed(data)
        words = os.strerror(exc.errno) if isinstance(exc, OSError) and exc.errno else "lost"
        self._settle(self._reader.broken(f"{words},"))

    def _give_up(self, limit_seconds: float) -> None:
        where = self._reader.progress()
        self._settle(Unanswered(Cause.TIMEOUT, f"{limit_seconds:g} s were over {where}"))
        self.abort()

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
