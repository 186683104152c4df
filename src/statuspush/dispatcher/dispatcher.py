"""The deciding half, wired: it handles what workers send, a frame at a time."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from statuspush.clock import WallClock
from statuspush.core.errors import InputError, ServiceError
from statuspush.dispatcher.claiming import Claiming
from statuspush.dispatcher.health import HealthWatch
from statuspush.dispatcher.open_sends import OpenSends, Sender
from statuspush.dispatcher.recording import Recorder
from statuspush.dispatcher.upkeep import Housekeeping
from statuspush.link.messages import FromWorker, Result, Stored, Submitted, ToWorker, pack_error
from statuspush.store.base import Appended
from statuspush.store.contracts import Store
from statuspush.telemetry import Telemetry

_log = structlog.get_logger("intake")

LEASE_SECONDS = 360.0
"""Longer than the longest timeout an account can have (300 s) and the time to record."""


class WorkerEnd(Sender, Protocol):
    """A worker, as far as the hot path of reports is concerned."""

    def outgoing(self) -> ToWorker:
        """The next frame for it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of the deciding half."""

    sends: int
    """Most open sends to endpoints in good standing."""
    suspect_sends: int
    """Most open sends to failing or slow ones."""
    slow_seconds: float
    """A send that takes longer is slow."""
    retention_ms: int


class Dispatcher:
    """Passes submissions and outcomes to the store, and claims to the workers.

    :param owner: the owner of the claims; must be the same name after a restart.
    :param changed: called with the reason when the store becomes unreliable, or works again.
    """

    def __init__(
        self,
        store: Store,
        clock: WallClock,
        telemetry: Telemetry,
        limits: Limits,
        *,
        owner: str,
        changed: Callable[[str | None], None] = lambda trouble: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self.open_sends = OpenSends(
            good=limits.sends, suspect=limits.suspect_sends, slow_seconds=limits.slow_seconds
        )
        self.recorder = Recorder(store, clock, telemetry)
        self.claiming = Claiming(
            store,
            clock,
            self.open_sends,
            self.recorder,
            owner=owner,
            lease_seconds=LEASE_SECONDS,
        )
        self.housekeeping = Housekeeping(
            store, clock, self.recorder, retention_ms=limits.retention_ms
        )
        self.health = HealthWatch(store, clock, telemetry, self.open_sends, changed=changed)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, *, retry_interval_ms: int | None) -> int:
        """Take over what an earlier process left; returns how many pushes it had under way.

        :param retry_interval_ms: by default that of each push's kind.
        """
        now = self._clock.now()
        interrupted = await self._store.take_back_claims(now, owner=self._owner)
        await self._store.hasten_retries(retry_interval_ms, now)
        if interrupted:
            _log.warning("pushes were under way when the last process ended", pushes=interrupted)
        return interrupted

    def join(self, worker: WorkerEnd) -> None:
        """A worker is ready."""
        self.open_sends.join(worker)
        self.claiming.wake()

    def leave(self, worker: WorkerEnd) -> None:
        """A worker is gone."""
        self.recorder.put(self.open_sends.leave(worker, self._clock.now()))
        self.claiming.expect()

    def take(self, worker: WorkerEnd, frame: FromWorker) -> None:
        """Handle the hot-path part of a worker's frame."""
        if frame.submitted:
            task = asyncio.create_task(self._store_all(worker, frame.submitted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if frame.ended:
            self.recorder.put(self.open_sends.ended(frame.ended))
        if frame.submitted or frame.ended:
            self.claiming.expect(submitted=bool(frame.submitted))

    async def _store_all(self, worker: WorkerEnd, submitted: Sequence[Submitted]) -> None:
        """Store the submissions of a frame in one append, and answer each."""
        try:
            results = await self._store.append_reports(
                [one.batch for one in submitted], self._clock.now()
            )
        except Exception as error:
            if not isinstance(error, InputError | ServiceError):
                _log.error("storing submissions failed unexpectedly", exc_info=error)
            packed = pack_error(error)
            worker.outgoing().refused += [Result(one.number, False, packed) for one in submitted]
            return
        frame = worker.outgoing()
        for one, result in zip(submitted, results, strict=True):
            if isinstance(result, Appended):
                frame.stored.append(Stored(one.number, result.accepted, result.duplicates))
            else:
                frame.refused.append(Result(one.number, False, pack_error(result)))
