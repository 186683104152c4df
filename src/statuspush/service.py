"""The one place where the parts are wired, started and drained.

This process owns the store and decides what is sent when. Its workers
(:mod:`statuspush.workers.worker`) take submissions and speak to the customers.
"""

import asyncio
import hashlib
import secrets
import signal
import socket
from collections.abc import Sequence

import structlog

from statuspush.clock import SteadyClock
from statuspush.config import Settings
from statuspush.flow.cut import Cut
from statuspush.flow.lanes import Lanes
from statuspush.flow.record import Record
from statuspush.flow.sweep import Sweep
from statuspush.flow.watch import Watch
from statuspush.store.base import Store
from statuspush.store.sqlite import SqliteStore
from statuspush.telemetry import Telemetry
from statuspush.workers.dispatch import Dispatch
from statuspush.workers.link import Handler, LinkLost
from statuspush.workers.pool import Worker, WorkerPool
from statuspush.workers.process import calm_garbage_collector, share_of_files
from statuspush.workers.setup import Setup
from statuspush.workers.spawn import Spawned, spawn
from statuspush.workers.store_server import StoreServer

_log = structlog.get_logger("service")

_LEASE_SECONDS = 360.0
"""Longer than the longest timeout an account can have (300 s) and the time to record."""
_TOKEN = "operator_token"  # noqa: S105 (the name it is stored under)
_SNAPSHOT_SECONDS = 1.0
_STORE_SECONDS = 2.0
"""How long the end waits for a commit that is under way."""


class Service:
    """A running statuspush: the flow and its store, with workers that speak HTTP.

    :param spawned: the worker processes, started and not yet told anything.
    """

    def __init__(
        self, settings: Settings, listener: socket.socket, spawned: Sequence[Spawned]
    ) -> None:
        self._settings = settings
        self._listener = listener
        self.telemetry = Telemetry()
        self.clock = SteadyClock()
        self.store: Store = SqliteStore(settings.database_path, self.telemetry)
        share = share_of_files() * len(spawned)
        if share < max(settings.max_sends, settings.max_suspect_sends):
            _log.warning("the limit of open files allows fewer sends at once", at_most=share)
        self._lanes = Lanes(
            good=min(settings.max_sends, share),
            suspect=min(settings.max_suspect_sends, share),
            slow_seconds=settings.slow_send_seconds,
        )
        self.cut = Cut(
            self.store,
            self.clock,
            self._lanes,
            lambda claim: self._dispatch.start(claim),  # noqa: PLW0108 (made a few lines below)
            lease_seconds=_LEASE_SECONDS,
        )
        self.record = Record(self.store, self.clock, self.telemetry, wake=self.cut.wake)
        self._dispatch = Dispatch(self._lanes, self.clock, put=self.record.put, freed=self.cut.wake)
        self.sweep = Sweep(
            self.store,
            self.clock,
            retention_ms=round(settings.retention_days * 86_400_000),
            held=lambda: self.record.failing,
        )
        self.watch = Watch(
            self.store,
            self.clock,
            self.telemetry,
            open_sends=lambda: self._lanes.open,
            changed=lambda trouble: self._tell_state(),
        )
        self._pool = WorkerPool(
            self._setup,
            spawned,
            lambda: spawn(listener),
            self._handlers(),
            joined=self._dispatch.join,
            left=self._left,
        )
        self._workers = len(spawned)
        self._token_hash = b""
        self._draining = False

    async def run(self) -> bool:
        """Serve until SIGTERM or SIGINT, then drain (finish sends, record, close).

        False when it ended because a part of it failed, or with a store that needs a restart.

        Raises :class:`~statuspush.core.errors.ServiceError` when the store can't be opened.
        """
        now = self.clock.now()
        retry_interval_ms = round(self._settings.retry_interval_seconds * 1000)
        await self.store.open(now, latest_due=now + retry_interval_ms)
        await self._settle_token()
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, stopped)
        await self._pool.start()
        background = [
            asyncio.create_task(work(), name=name)
            for name, work in (
                ("sweep", self.sweep.run),
                ("watch", self.watch.run),
                ("loop-lag", self.telemetry.watch_loop),
                ("workers", self._pool.run),
            )
        ]
        cutting = asyncio.create_task(self.cut.run(), name="cut")
        recording = asyncio.create_task(self.record.run(), name="record")
        announcing = asyncio.create_task(self._announce())
        calm_garbage_collector()
        healthy = await _until(stopped, [*background, cutting, recording])
        announcing.cancel()
        await self._drain(cutting, recording, background)
        return healthy and not self.watch.broken

    def _signalled(self, stopped: asyncio.Event) -> None:
        if stopped.is_set():
            _log.warning("second signal: breaking off open sends")
            self._dispatch.break_off()
        stopped.set()

    async def _drain(
        self,
        cutting: asyncio.Task[None],
        recording: asyncio.Task[None],
        background: list[asyncio.Task[None]],
    ) -> None:
        self._draining = True
        self._tell_state()
        self.cut.stop()
        _log.info("draining", open_sends=self._lanes.open)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.drain_seconds
        await asyncio.wait([cutting], timeout=_STORE_SECONDS)  # a claim may be on its way to disk
        broken_off = await self._dispatch.finish(max(0.0, deadline - loop.time()))
        await self._pool.stop()
        self.record.stop()
        # What a store in trouble does not take until then is sent again after the next start.
        await asyncio.wait([recording], timeout=max(_STORE_SECONDS, deadline - loop.time()))
        for task in (*background, cutting, recording):
            task.cancel()
        await asyncio.gather(*background, cutting, recording, return_exceptions=True)
        await self.store.close()
        _log.info("drained", broken_off=broken_off)

    async def _settle_token(self) -> None:
        given = self._settings.operator_token
        if given is not None:
            self._token_hash = _digest(given)
            return
        stored = await self.store.get_secret(_TOKEN)
        if stored is None:
            made = secrets.token_urlsafe(32)
            stored = _digest(made)
            await self.store.put_secret(_TOKEN, stored)
            print(f"operator token (shown only now): {made}", flush=True)
        self._token_hash = stored

    async def _announce(self) -> None:
        await self._pool.wait_ready()
        host, port = self._listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print(f"statuspush is listening on http://{shown}:{port}", flush=True)
        _log.info("listening", url=f"http://{shown}:{port}", workers=self._workers)

    # the workers

    def _setup(self) -> Setup:
        return Setup(
            self._settings,
            self._workers,
            self.clock.start_ns,
            self._token_hash,
            self.watch.trouble,
        )

    def _handlers(self) -> dict[str, Handler]:
        store = StoreServer(self.store, self.cut.wake)
        return {
            "store": lambda worker, *args, **kwargs: store.call(*args, **kwargs),
            "ended": lambda worker, recording: self._dispatch.ended(recording),
            "metrics": lambda worker, accept: self._metrics(accept),
        }

    def _left(self, worker: Worker) -> None:
        self.telemetry.worker_died(worker)
        self._dispatch.leave(worker)

    def _tell_state(self) -> None:
        self._pool.tell_all("state", self._draining, self.watch.trouble)

    async def _metrics(self, accept: str | None) -> tuple[bytes, str]:
        """What ``/metrics`` shows: this process's figures and those of the workers together."""
        workers = self._pool.ready
        await asyncio.gather(self.watch.refresh(), *map(self._take_snapshot, workers))
        return self.telemetry.exposition(accept)

    async def _take_snapshot(self, worker: Worker) -> None:
        try:
            async with asyncio.timeout(_SNAPSHOT_SECONDS):
                self.telemetry.absorb(worker, await worker.link.call("snapshot"))
        except (TimeoutError, LinkLost):
            _log.warning("a worker did not tell its figures", pid=worker.process.pid)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def _until(stopped: asyncio.Event, parts: list[asyncio.Task[None]]) -> bool:
    """Wait for the signal to stop (True), or until a part ends, which none should (False)."""
    signalled = asyncio.create_task(stopped.wait())
    await asyncio.wait([signalled, *parts], return_when=asyncio.FIRST_COMPLETED)
    if signalled.done():
        return True
    signalled.cancel()
    for part in parts:
        if part.done():
            error = None if part.cancelled() else part.exception()
            _log.critical(
                "a part of the service ended; stopping", part=part.get_name(), error=error
            )
    return False
