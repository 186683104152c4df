"""The one place where the parts are wired, started and drained."""

import asyncio
import contextlib
import hashlib
import resource
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import structlog
import uvicorn
import uvloop

from statuspush.clock import SteadyClock
from statuspush.config import Loaded, Settings
from statuspush.core.errors import ServiceError
from statuspush.flow.accept import Accept
from statuspush.flow.cut import Cut
from statuspush.flow.lanes import Lanes
from statuspush.flow.open_sends import OpenSends
from statuspush.flow.record import Record
from statuspush.flow.send import Send
from statuspush.flow.sweep import Sweep
from statuspush.store.base import Store, StoreBroken
from statuspush.store.sqlite import SqliteStore
from statuspush.telemetry import Telemetry, configure_logging
from statuspush.transport import AddressGuard, Transport
from statuspush.web.app import create_app
from statuspush.web.dependencies import WebDependencies

_log = structlog.get_logger("service")

_LEASE_SECONDS = 360.0
"""Longer than the longest timeout an account can have (300 s) and the time to record."""
_WATCH_SECONDS = 1.0
_MOST_IDLE = 1024
_OWN_FILES = 32
"""Files that are open before the first connection: the database, the listener, the loop's own."""
_SKEW_WARNING_MS = 2000
_TOKEN = "operator_token"  # noqa: S105 (the name it is stored under)


class Service:
    """A running statuspush: the flow, its store, and the HTTP interface in front."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.telemetry = Telemetry()
        self.clock = SteadyClock()
        self.store: Store = SqliteStore(settings.database_path, self.telemetry)
        share = _share_of_files()
        if share < max(settings.max_sends, settings.max_suspect_sends):
            _log.warning("the limit of open files allows fewer sends at once", at_most=share)
        self._transport = Transport(
            guard=AddressGuard(settings.allow_targets),
            proxy=settings.proxy,
            ca_file=str(settings.ca_file) if settings.ca_file else None,
            max_idle_connections=min(_MOST_IDLE, share),
        )
        self._lanes = Lanes(
            good=min(settings.max_sends, share),
            suspect=min(settings.max_suspect_sends, share),
            slow_seconds=settings.slow_send_seconds,
        )
        self.send = Send(
            self._transport,
            self.clock,
            self.telemetry,
            retry_interval_ms=round(settings.retry_interval_seconds * 1000),
            slow_seconds=settings.slow_send_seconds,
        )
        self.cut = Cut(
            self.store,
            self.clock,
            self._lanes,
            lambda claim: self._sends.start(claim),  # noqa: PLW0108 (made a few lines below)
            lease_seconds=_LEASE_SECONDS,
        )
        self.record = Record(self.store, self.clock, self.telemetry, wake=self.cut.wake)
        self._sends = OpenSends(
            self.send,
            self._lanes,
            self.clock,
            self.telemetry,
            put=self.record.put,
            freed=self.cut.wake,
        )
        self.accept = Accept(
            self.store,
            self.clock,
            self.telemetry,
            tz=settings.timezone,
            wake=self.cut.wake,
            max_bytes=settings.max_intake_bytes,
        )
        self.sweep = Sweep(
            self.store,
            self.clock,
            retention_ms=round(settings.retention_days * 86_400_000),
            held=lambda: self.record.failing,
        )
        self._token_hash = b""
        self._draining = False
        self._trouble: str | None = "starting"
        self._broken = False

    async def run(self, listener: socket.socket) -> bool:
        """Serve until SIGTERM or SIGINT, then drain (finish sends, record, close).

        False when it ended because a part of it failed, or with a store that needs a restart.

        Raises :class:`~statuspush.core.errors.ServiceError` when the store can't be opened.
        """
        now = self.clock.now()
        retry_interval_ms = round(self._settings.retry_interval_seconds * 1000)
        await self.store.open(now, latest_due=now + retry_interval_ms)
        await self._settle_token()
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(self._web_dependencies()),
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=75,  # longer than clients keep idle connections
                timeout_graceful_shutdown=3,
            )
        )
        # Signals are ours: uvicorn would stop answering before the sends are finished.
        server.capture_signals = _no_signals  # type: ignore[method-assign]
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, stopped)
        self._trouble = None
        background = [
            asyncio.create_task(work(), name=name)
            for name, work in (
                ("cut", self.cut.run),
                ("sweep", self.sweep.run),
                ("watch", self._watch),
                ("loop-lag", self.telemetry.watch_loop),
            )
        ]
        recording = asyncio.create_task(self.record.run(), name="record")
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="web")
        _announce(listener)
        healthy = await _until(stopped, [*background, recording, serving])
        await self._drain(server, serving, recording, background)
        return healthy and not self._broken

    def _signalled(self, stopped: asyncio.Event) -> None:
        if stopped.is_set():
            _log.warning("second signal: breaking off open sends")
            self._sends.break_off()
        stopped.set()

    async def _drain(
        self,
        server: uvicorn.Server,
        serving: asyncio.Task[None],
        recording: asyncio.Task[None],
        background: list[asyncio.Task[None]],
    ) -> None:
        self._draining = True
        self.cut.stop()
        _log.info("draining", open_sends=self._lanes.open)
        broken_off = await self._sends.finish(self._settings.drain_seconds)
        server.should_exit = True
        await asyncio.wait([serving], timeout=4)
        self.record.stop()
        await asyncio.wait([recording], timeout=2)
        for task in (*background, recording, serving):
            task.cancel()
        await asyncio.gather(*background, recording, serving, return_exceptions=True)
        await self._transport.close()
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

    def _web_dependencies(self) -> WebDependencies:
        return WebDependencies(
            store=self.store,
            accept=self.accept,
            test_push=lambda account: self.send.test_push(account.push),
            clock=self.clock,
            telemetry=self.telemetry,
            timezone=self._settings.timezone,
            operator_token_hash=lambda: self._token_hash,
            not_ready=lambda: "draining" if self._draining else self._trouble,
            draining=lambda: self._draining,
            wake=self.cut.wake,
            max_intake_bytes=self._settings.max_intake_bytes,
        )

    async def _watch(self) -> None:
        """Keep the figures of the store and its readiness up to date."""
        warned = False
        while True:
            try:
                await self.store.ping()
                figures = await self.store.figures()
            except ServiceError as error:
                self._broken |= isinstance(error, StoreBroken)
                # /readyz shows it to anybody: no names of files. The log has the engine's words.
                self._trouble = (
                    "the store needs a restart"
                    if isinstance(error, StoreBroken)
                    else "the store takes no writes at present"
                )
                self.telemetry.store_down()
            else:
                self._trouble = None
                self.telemetry.store(
                    reports_stored=figures.reports_stored,
                    reports_waiting=figures.reports_waiting,
                    pushes_waiting=figures.pushes_waiting,
                    pushes_sending=figures.pushes_sending,
                    bytes_on_disk=figures.bytes_on_disk,
                    extra=figures.extra,
                )
                self.telemetry.in_flight(self._lanes.open)
            if abs(self.clock.skew()) > _SKEW_WARNING_MS and not warned:
                warned = True
                _log.warning(
                    "the machine's clock was changed; times shown follow it after a restart",
                    skew_ms=self.clock.skew(),
                )
            await asyncio.sleep(_WATCH_SECONDS)


@contextlib.contextmanager
def _no_signals() -> Iterator[None]:
    yield


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


def _announce(listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"statuspush is listening on http://{shown}:{port}", flush=True)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise CannotListen(settings.host, settings.port, error) from error
    listener.listen(2048)
    listener.setblocking(False)
    return listener


class CannotListen(ServiceError):
    """The address to listen on is taken or not ours."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(f"cannot listen on {host}:{port}: {error.strerror}")


def _raise_file_limit() -> None:
    """Thousands of endpoints are thousands of sockets; take what the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _share_of_files() -> int:
    """Descriptors for each of: good sends, suspect ones, idle connections. As many are left for
    submitters, so that a low limit makes pushing slower and shuts nobody out.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 20
    return max(4, (limit - _OWN_FILES) // 4)


def run(
    loaded: Loaded, *, loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
) -> int:
    """Run a service until it is told to stop; return the exit status, 0 after a clean drain."""
    settings = loaded.settings
    configure_logging(settings.log_format, settings.log_level)
    for warning in settings.warnings():
        _log.warning(warning)
    # A thread that ends a commit waits this long for the interpreter when the loop is busy.
    sys.setswitchinterval(0.001)
    _raise_file_limit()
    with _listen(settings) as listener, asyncio.Runner(loop_factory=loop) as runner:
        return 0 if runner.run(Service(settings).run(listener)) else 1
