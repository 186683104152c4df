"""Runs the open sends, and passes their outcomes on."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

import structlog

from statuspush.clock import Clock
from statuspush.core.moment import Milliseconds
from statuspush.core.outcome import SendResult
from statuspush.store.base import ClaimedPush, Recording
from statuspush.transport import Sending
from statuspush.worker.send import Send

_log = structlog.get_logger("send")


class _OpenSend:
    """A send that has not ended."""

    __slots__ = ("began", "claim", "sending", "started_at")

    def __init__(self, claim: ClaimedPush, started_at: Milliseconds) -> None:
        self.claim = claim
        self.started_at = started_at
        self.began = time.perf_counter()
        self.sending: Sending | None = None
        """What cancels it."""


class Sends:
    """Runs sends concurrently.

    :param ended: takes the outcome of each send, including those that were broken off.
    """

    def __init__(self, send: Send, clock: Clock, *, ended: Callable[[Recording], None]) -> None:
        self._send = send
        self._clock = clock
        self._ended = ended
        self._open: set[_OpenSend] = set()
        self._emptied: asyncio.Future[None] | None = None

    def start(self, claim: ClaimedPush) -> None:
        """Begin the send of a claimed push; its outcome may be passed on before this returns."""
        send = _OpenSend(claim, self._clock.now())
        self._open.add(send)
        done = partial(self._done, send)
        try:
            send.sending = self._send.start(claim, done)
        except Exception as error:
            done(error)

    def _done(self, send: _OpenSend, result: SendResult | Exception) -> None:
        try:
            if isinstance(result, Exception):
                raise result
            seconds = time.perf_counter() - send.began
            recording = self._send.recording(send.claim, send.started_at, seconds, result)
        except Exception as error:
            # Our defect is not the customer's failure: it doesn't count, but it waits.
            _log.error("a send failed unexpectedly", push=send.claim.id, exc_info=error)
            recording = self._send.interrupted(send.claim, send.started_at, wait=True)
        self._end(send, recording)

    def _end(self, send: _OpenSend, recording: Recording) -> None:
        self._open.remove(send)
        self._ended(recording)
        if self._emptied is not None and not self._open and not self._emptied.done():
            self._emptied.set_result(None)

    async def finish(self, seconds: float) -> int:
        """Wait for open sends, then break off the rest; return how many were still open."""
        await self._empty(seconds)
        late = len(self._open)
        self.break_off()
        await self._empty(None)
        return late

    async def _empty(self, seconds: float | None) -> None:
        if not self._open:
            return
        self._emptied = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._emptied], timeout=seconds)
        self._emptied = None

    def break_off(self) -> None:
        """Cancel the open sends; each is recorded as interrupted, which does not count."""
        loop = asyncio.get_running_loop()
        for send in self._open:
            # Not in this turn: sends that already have their answer pass it on first.
            loop.call_soon(self._cancel, send)

    def _cancel(self, send: _OpenSend) -> None:
        if send not in self._open:
            return
        if send.sending is not None:
            send.sending.cancel()
        self._end(send, self._send.interrupted(send.claim, send.started_at))
