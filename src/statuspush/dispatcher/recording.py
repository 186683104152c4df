"""Recording: the only writer of outcomes, many in one commit, each retried until it is on disk."""

import asyncio
from collections.abc import Iterable

import structlog

from statuspush.clock import Clock
from statuspush.core.errors import ServiceError
from statuspush.core.lifecycle import Deliver, Exhaust
from statuspush.store.base import Recording
from statuspush.store.contracts import Dispatching
from statuspush.telemetry import Telemetry

_log = structlog.get_logger("record")

_STORE_PAUSE_SECONDS = 0.5


class Recorder:
    """Records outcomes.

    An outcome that can't be written now (disk full) is kept and retried, so that an acknowledged
    push isn't sent a second time. What is kept is bounded by the sends that may be open: their
    accounts send nothing else until it is written.
    """

    def __init__(self, store: Dispatching, clock: Clock, telemetry: Telemetry) -> None:
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._waiting: list[Recording] = []
        self._arrived = asyncio.Event()
        self._stopping = False
        self.failing = False
        """The last write failed: there are outcomes that the store doesn't know."""

    def put(self, recordings: Iterable[Recording]) -> None:
        """Take outcomes in, to be written with the next group."""
        self._waiting.extend(recordings)
        if self._waiting:
            self._arrived.set()

    def stop(self) -> None:
        """Write what is left, then end :meth:`run`."""
        self._stopping = True
        self._arrived.set()

    async def run_once(self) -> int:
        """Write all outcomes; return how many there were. Raises what the store raises."""
        group = self._waiting.copy()
        if not group:
            return 0
        try:
            written = await self._store.record_outcomes(group, self._clock.now())
        except ServiceError:
            self.failing = True
            raise
        self.failing = False
        del self._waiting[: len(group)]
        delivered = exhausted = 0
        for recording, done in zip(group, written, strict=True):
            if not done:
                _log.warning("claim was lost, outcome not written", push=recording.push)
            elif isinstance(recording.decision, Deliver):
                delivered += 1
            elif isinstance(recording.decision, Exhaust):
                exhausted += 1
        self._telemetry.ended("delivered", delivered)
        self._telemetry.ended("exhausted", exhausted)
        return len(group)

    async def run(self) -> None:
        """Write outcomes as they come, until stopped and nothing is left."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            try:
                await self.run_once()
            except ServiceError as error:
                _log.warning("cannot record outcomes, keeping them", error=str(error))
                await asyncio.sleep(_STORE_PAUSE_SECONDS)
                self._arrived.set()
                continue
            if self._stopping and not self._waiting:
                return
