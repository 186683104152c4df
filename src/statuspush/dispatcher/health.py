"""Health: whether the store works, and its figures for monitoring."""

import asyncio
from collections.abc import Callable

import structlog

from statuspush.clock import WallClock
from statuspush.core.errors import ServiceError
from statuspush.dispatcher.open_sends import OpenSends
from statuspush.store.base import StoreBroken
from statuspush.store.contracts import Upkeep
from statuspush.telemetry import Telemetry

_log = structlog.get_logger("health")

_PAUSE_SECONDS = 1.0
_STORE_SECONDS = 2.0
"""How long the store may take to answer before its figures count as unknown."""
_SKEW_WARNING_MS = 2000
_FRESH_MS = 1000


class HealthWatch:
    """Keeps the figures of the store and its readiness up to date.

    :param changed: called with :attr:`trouble` whenever that changes.
    """

    def __init__(
        self,
        store: Upkeep,
        clock: WallClock,
        telemetry: Telemetry,
        open_sends: OpenSends,
        *,
        changed: Callable[[str | None], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._open_sends = open_sends
        self._changed = changed
        self._warned = False
        self._refreshed_at = -_FRESH_MS
        self.trouble: str | None = None
        """Why the store can't be relied on now, in words for the public; None when it can."""
        self.broken = False
        """Whether the store has ever needed a restart."""

    async def run(self) -> None:
        """Check once a second until cancelled."""
        while True:
            await self.run_once()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def run_once(self) -> None:
        """Check whether the store takes writes, and refresh its figures."""
        trouble: str | None = None
        try:
            await self._store.ping()
            await self._figures()
        except ServiceError as error:
            self.broken |= isinstance(error, StoreBroken)
            # /readyz shows it to anybody: no file names. The log has the engine's message.
            trouble = (
                "the store needs a restart"
                if isinstance(error, StoreBroken)
                else "the store cannot be written at present"
            )
            self._telemetry.store_down()
        if trouble != self.trouble:
            self.trouble = trouble
            self._changed(trouble)
        if abs(self._clock.skew()) > _SKEW_WARNING_MS and not self._warned:
            self._warned = True
            _log.warning(
                "the machine's clock was changed; times shown follow it after a restart",
                skew_ms=self._clock.skew(),
            )

    async def refresh(self) -> None:
        """Bring all figures up to date before they are shown; at most once a second."""
        now = self._clock.now()
        if now - self._refreshed_at < _FRESH_MS:
            return
        self._refreshed_at = now
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await self._figures()
                oldest = await self._store.oldest_waiting_at()
        except (ServiceError, TimeoutError):
            # When the store is in trouble, the other metrics are needed most.
            self._telemetry.store_down()
            return
        age = 0.0 if oldest is None else max(0, now - oldest) / 1000
        self._telemetry.oldest_waiting(age)

    async def _figures(self) -> None:
        figures = await self._store.figures()
        self._telemetry.store(
            reports_stored=figures.reports_stored,
            reports_waiting=figures.reports_waiting,
            pushes_waiting=figures.pushes_waiting,
            pushes_sending=figures.pushes_sending,
            bytes_on_disk=figures.bytes_on_disk,
            extra=figures.extra,
        )
        self._telemetry.in_flight(len(self._open_sends))
