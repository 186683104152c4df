"""Sweep: upkeep behind the flow, in bounded steps: expired claims, index, retention."""

import asyncio
from collections.abc import Callable

import structlog

from statuspush.clock import Clock
from statuspush.core.errors import ServiceError
from statuspush.store.base import Store

_log = structlog.get_logger("sweep")

_PAUSE_SECONDS = 1.0


class Sweep:
    """Runs the store's housekeeping.

    :param retention_ms: reports and pushes older than this are removed.
    :param held: tells whether outcomes wait for a store that fails. Their claims may be beyond
        their lease by now, and taken back before the outcomes are written, they would be sent
        again.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        retention_ms: int,
        held: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._retention_ms = retention_ms
        self._held = held

    async def run_once(self) -> bool:
        """One step; True if there is more to do now."""
        now = self._clock.now()
        swept = await self._store.sweep(
            now, keep_from=now - self._retention_ms, take_back=not self._held()
        )
        if swept.reports_expired:
            _log.warning(
                "reports expired: retention removed them while they waited",
                reports=swept.reports_expired,
            )
        return swept.more

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                while await self.run_once():
                    await asyncio.sleep(0)
            except ServiceError as error:
                _log.warning("cannot sweep, trying again", error=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
