"""Upkeep behind the flow, in bounded steps: expired claims, index, retention."""

import asyncio
from typing import Protocol

import structlog

from statuspush.clock import Clock
from statuspush.core.errors import ServiceError
from statuspush.dispatcher.recording import Recorder
from statuspush.store import contracts

_log = structlog.get_logger("upkeep")

_PAUSE_SECONDS = 1.0


class _Store(contracts.Upkeep, contracts.Dispatching, Protocol):
    """The parts of the store that upkeep uses."""


class Housekeeping:
    """Runs the store's upkeep.

    :param retention_ms: reports and pushes older than this are removed.
    """

    def __init__(
        self, store: _Store, clock: Clock, recorder: Recorder, *, retention_ms: int
    ) -> None:
        self._store = store
        self._clock = clock
        self._recorder = recorder
        self._retention_ms = retention_ms

    async def run_once(self) -> bool:
        """One step; True if there is more to do now."""
        now = self._clock.now()
        # While outcomes wait for a failing store, their claims may outlive their lease. If those
        # were taken back before the outcomes are written, the pushes would be sent again.
        if not self._recorder.failing:
            await self._store.take_back_claims(now)
        swept = await self._store.sweep(now, keep_from=now - self._retention_ms)
        if swept.reports_expired:
            _log.warning(
                "reports expired: retention removed them while they waited",
                reports=swept.reports_expired,
            )
        return swept.more

    async def run(self) -> None:
        """Step until cancelled."""
        while True:
            try:
                while await self.run_once():
                    await asyncio.sleep(0)
            except ServiceError as error:
                _log.warning("upkeep failed, trying again", error=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
