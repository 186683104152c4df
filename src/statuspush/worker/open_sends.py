"""The sends that are open: a task each, and its outcome handed on."""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from statuspush.clock import Clock
from statuspush.core.moment import Milliseconds
from statuspush.store.base import ClaimedPush, Recording
from statuspush.worker.send import Send

_log = structlog.get_logger("send")


class OpenSends:
    """Runs sends side by side.

    :param ended: takes the outcome of a send, whatever became of it.
    """

    def __init__(
        self,
        send: Send,
        clock: Clock,
        *,
        ended: Callable[[ClaimedPush, Recording], None],
    ) -> None:
        self._send = send
        self._clock = clock
        self._ended = ended
        self._tasks: set[asyncio.Task[Recording]] = set()

    def start(self, claim: ClaimedPush) -> None:
        """Begin the send of a claimed push."""
        task = asyncio.create_task(self._send.send(claim))
        self._tasks.add(task)
        # A callback and not a frame around the send: one that is cancelled before its first step
        # never enters such a frame, and must be recorded all the same.
        task.add_done_callback(partial(self._done, claim, self._clock.now()))

    def _done(
        self, claim: ClaimedPush, started_at: Milliseconds, task: asyncio.Task[Recording]
    ) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            recording = self._send.interrupted(claim, started_at)
        elif (error := task.exception()) is not None:
            # A defect of ours is no failure of the customer: it doesn't count, but it waits.
            _log.error("a send failed in a way it must not", push=claim.id, exc_info=error)
            recording = self._send.interrupted(claim, started_at, wait=True)
        else:
            recording = task.result()
        self._ended(claim, recording)

    async def finish(self, seconds: float) -> int:
        """Wait for open sends, then break off the rest; return how many were broken off."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        late = self.break_off()
        if late:
            await asyncio.wait(late)
        return len(late)

    def break_off(self) -> list[asyncio.Task[Recording]]:
        """Cancel the open sends; each is recorded as interrupted, which does not count."""
        late = [task for task in self._tasks if not task.done()]
        for task in late:
            # Not at once: a task whose answer is there already gets its turn first and keeps it.
            task.get_loop().call_soon(task.cancel)
        return late
