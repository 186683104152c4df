"""The sends that are open: a task each, its lane while it runs, its outcome handed on."""

import asyncio
from collections.abc import Callable

import structlog

from statuspush.clock import Clock
from statuspush.flow.lanes import Lanes
from statuspush.flow.send import Send
from statuspush.store.base import ClaimedPush, Recording
from statuspush.telemetry import Telemetry

_log = structlog.get_logger("send")


class OpenSends:
    """Runs sends side by side.

    :param put: takes the outcome of a send.
    :param freed: called when a send ended and its lane is free.
    """

    def __init__(
        self,
        send: Send,
        lanes: Lanes,
        clock: Clock,
        telemetry: Telemetry,
        *,
        put: Callable[[Recording], None],
        freed: Callable[[], None],
    ) -> None:
        self._send = send
        self._lanes = lanes
        self._clock = clock
        self._telemetry = telemetry
        self._put = put
        self._freed = freed
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, claim: ClaimedPush) -> None:
        """Begin the send of a claimed push."""
        task = asyncio.create_task(self._run(claim))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._telemetry.in_flight(self._lanes.open)

    async def _run(self, claim: ClaimedPush) -> None:
        started_at = self._clock.now()
        try:
            recording = await self._send.send(claim)
        except asyncio.CancelledError:
            recording = self._send.interrupted(claim, started_at)
        except Exception:
            # A defect of ours is no failure of the customer: it doesn't count, but it waits.
            _log.exception("a send failed in a way it must not", push=claim.id)
            recording = self._send.interrupted(claim, started_at, wait=True)
        finally:
            self._lanes.leave(claim)
        self._put(recording)
        self._freed()

    async def finish(self, seconds: float) -> int:
        """Wait for open sends, then break off the rest; return how many were broken off."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        late = self.break_off()
        if late:
            await asyncio.wait(late)
        return len(late)

    def break_off(self) -> list[asyncio.Task[None]]:
        """Cancel the open sends; each is recorded as interrupted, which does not count."""
        late = list(self._tasks)
        for task in late:
            task.cancel()
        return late
