"""The one place where the parts of the deciding process are wired, started and drained.

This process owns the store and decides what is sent when. Its workers
(:mod:`statuspush.worker.main`) take submissions and speak to the customers.
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
from statuspush.dispatcher.dispatcher import Dispatcher, Limits
from statuspush.dispatcher.spawn import Spawned, spawn
from statuspush.dispatcher.worker_pool import WorkerPool, WorkerProcess
from statuspush.link.calls import Handler, LinkLost
from statuspush.link.messages import SetUp
from statuspush.link.store import serve
from statuspush.process import calm_garbage_collector, paused_garbage_collector, share_of_files
from statuspush.store.contracts import Store
from statuspush.store.sqlite import SqliteStore
from statuspush.telemetry import Telemetry

_log = structlog.get_logger("service")

_TOKEN = "operator_token"  # noqa: S105 (the name it is stored under)
_SNAPSHOT_SECONDS = 1.0
_OWNER = "local"
"""Owner of the claims: a file has only one process."""
_BREAK_OFF_SECONDS = 2.0
"""How long the workers may take to report the sends that they broke off."""
_STORE_SECONDS = 2.0
"""How long shutdown waits for a commit that is under way."""


class Service:
    """A running statuspush: the flow and its store, with workers that speak HTTP.

    :param spawned: the worker processes, started but not set up yet.
    """

    def __init__(
        self, settings: Settings, listener: socket.socket, spawned: Sequence[Spawned]
    ) -> None:
        self._settings = settings
        self._listener = listener
        self.telemetry = Telemetry()
        self.clock = SteadyClock()
        share = share_of_files() * len(spawned)
        if share < max(settings.max_sends, settings.max_suspect_sends):
            _log.warning("the limit of open files allows fewer sends", at_most=share)
        self._limits = Limits(
            sends=min(settings.max_sends, share),
            suspect_sends=min(settings.max_suspect_sends, share),
            slow_seconds=settings.slow_send_seconds,
            retention_ms=round(settings.retention_days * 86_400_000),
        )
        self._spawned = spawned
        self._token_hash = b""
        self._draining = False

    async def run(self) -> bool:
        """Serve until SIGTERM or SIGINT, then drain (finish sends, record, close).

        False if it ended because a part of it failed, or if the store needs a restart.

        Raises :class:`~statuspush.core.errors.ServiceError` when the store can't be opened.
        """
        with paused_garbage_collector():
            store: Store = SqliteStore.open(
                self._settings.database_path, self.clock.now(), telemetry=self.telemetry
            )
        self._dispatcher = dispatcher = Dispatcher(
            store,
            self.clock,
            self.telemetry,
            self._limits,
            owner=_OWNER,
            changed=lambda trouble: self._announce_state(),
        )
        await dispatcher.start(retry_interval_ms=self._settings.retry_interval_ms)
        await self._settle_token(store)
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, stopped)
        self._pool = WorkerPool(
            self._set_up,
            self._spawned,
            lambda: spawn(self._listener),
            self._handlers(store),
            receive=dispatcher.take,
            joined=dispatcher.join,
            left=self._left,
        )
        await self._pool.start()
        background = [
            asyncio.create_task(work(), name=name)
            for name, work in (
                ("upkeep", dispatcher.housekeeping.run),
                ("health", dispatcher.health.run),
                ("loop-lag", self.telemetry.watch_loop),
                ("workers", self._pool.run),
            )
        ]
        claiming = asyncio.create_task(dispatcher.claiming.run(), name="claim")
        recording = asyncio.create_task(dispatcher.recorder.run(), name="record")
        announcing = asyncio.create_task(self._announce())
        calm_garbage_collector()
        healthy = await _until(stopped, [*background, claiming, recording])
        announcing.cancel()
        await self._drain(claiming, recording, background)
        await store.close()
        return healthy and not dispatcher.health.broken

    def _signalled(self, stopped: asyncio.Event) -> None:
        if stopped.is_set():
            _log.warning("second signal: breaking off open sends")
            self._dispatcher.open_sends.break_off()
        stopped.set()

    async def _drain(
        self,
        claiming: asyncio.Task[None],
        recording: asyncio.Task[None],
        background: list[asyncio.Task[None]],
    ) -> None:
        self._draining = True
        self._announce_state()
        dispatcher = self._dispatcher
        dispatcher.claiming.stop()
        _log.info("draining", open_sends=len(dispatcher.open_sends))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.drain_seconds
        await asyncio.wait([claiming], timeout=_STORE_SECONDS)  # a claim may be being written
        broken_off = 0
        if not await dispatcher.open_sends.settled(max(0.0, deadline - loop.time())):
            broken_off = len(dispatcher.open_sends)
            dispatcher.open_sends.break_off()
            await dispatcher.open_sends.settled(_BREAK_OFF_SECONDS)
        await self._pool.stop()
        dispatcher.recorder.stop()
        # What a failing store has not recorded by then is sent again after the next start.
        await asyncio.wait([recording], timeout=max(_STORE_SECONDS, deadline - loop.time()))
        for task in (*background, claiming, recording):
            task.cancel()
        await asyncio.gather(*background, claiming, recording, return_exceptions=True)
        _log.info("drained", broken_off=broken_off)

    async def _settle_token(self, store: Store) -> None:
        given = self._settings.operator_token
        if given is not None:
            self._token_hash = _digest(given)
            return
        stored = await store.get_secret(_TOKEN)
        if stored is None:
            made = secrets.token_urlsafe(32)
            stored = await store.put_secret(_TOKEN, _digest(made))
            if stored == _digest(made):
                print(f"operator token (shown only once): {made}", flush=True)
        self._token_hash = stored

    async def _announce(self) -> None:
        await self._pool.wait_ready()
        host, port = self._listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print(f"statuspush is listening on http://{shown}:{port}", flush=True)
        _log.info("listening", url=f"http://{shown}:{port}", workers=len(self._spawned))

    # the workers

    def _set_up(self) -> SetUp:
        return SetUp(
            self._settings,
            len(self._spawned),
            self.clock.start_ns,
            self._token_hash,
            self._dispatcher.health.trouble,
        )

    def _handlers(self, store: Store) -> dict[str, Handler]:
        return {
            "store": lambda worker, *args, **kwargs: serve(store, *args, **kwargs),
            "metrics": lambda worker, accept: self._metrics(accept),
        }

    def _left(self, worker: WorkerProcess) -> None:
        self.telemetry.worker_died(worker)
        self._dispatcher.leave(worker)

    def _announce_state(self) -> None:
        self._pool.order_all("state", self._draining, self._dispatcher.health.trouble)

    async def _metrics(self, accept: str | None) -> tuple[bytes, str]:
        """What ``/metrics`` shows: this process's figures and those of the workers together."""
        workers = self._pool.ready
        await asyncio.gather(self._dispatcher.health.refresh(), *map(self._take_snapshot, workers))
        return self.telemetry.exposition(accept)

    async def _take_snapshot(self, worker: WorkerProcess) -> None:
        try:
            async with asyncio.timeout(_SNAPSHOT_SECONDS):
                self.telemetry.absorb(worker, await worker.calls.call("snapshot"))
        except (TimeoutError, LinkLost):
            _log.warning("a worker did not report its metrics", pid=worker.process.pid)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def _until(stopped: asyncio.Event, parts: list[asyncio.Task[None]]) -> bool:
    """Wait for the signal to stop (True), or until a part ends, which it never should (False)."""
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
