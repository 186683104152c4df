"""The receiver as a service: ``statuspush receive``."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

import uvicorn
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from statuspush.core.errors import ServiceError
from statuspush.core.kinds.received import HOME_REGION, PLATFORM_ZONE
from statuspush.receiver.asgi import Receive, Scope, Send
from statuspush.receiver.gate import Gate
from statuspush.receiver.handlers import Handler
from statuspush.receiver.receiver import Receiver
from statuspush.receiver.sinks import Sink, sink_from

_log: Final = logging.getLogger("statuspush.receiver")
_ALWAYS: Final = 1 << 30
"""Attempts of a sink: what can't be passed on now is passed on later, in order."""
_LONGEST_BACKOFF: Final = 60.0
_REPORTS: Final = frozenset({"reports", "repeats"})


@dataclass(frozen=True)
class ReceiverSettings:
    """The settings of the service."""

    host: str = "127.0.0.1"
    port: int = 9000
    path: str = "/voice"
    inbox: str = "sqlite:///inbox.db"
    to: Sequence[str] = ("stdout",)
    gate: Gate = field(default_factory=Gate)
    window_hours: float = 72
    zone: ZoneInfo = PLATFORM_ZONE
    region: str = HOME_REGION


class CannotServe(ServiceError):
    """The server did not start; it has said why."""


class _Server(uvicorn.Server):
    """uvicorn's server, which also reports when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._ready(self.servers[0].sockets[0].getsockname()[1])


async def serve(settings: ReceiverSettings, ready: Callable[[int], None]) -> None:
    """Receive until SIGTERM or SIGINT; raises StatuspushError when it can't begin.

    :param ready: called with the port when it listens.
    """
    sinks = [(text, sink_from(text)) for text in settings.to]
    receiver = Receiver(
        settings.inbox,
        gate=settings.gate,
        window_hours=settings.window_hours,
        zone=settings.zone,
        region=settings.region,
    )
    for number, (text, sink) in enumerate(sinks):
        receiver.add_handler(_handler(number, text, sink))
    async with AsyncExitStack() as stack:
        for text, sink in sinks:
            await _open(text, sink)
            stack.push_async_callback(sink.close)
        await stack.enter_async_context(receiver)
        server = _Server(
            uvicorn.Config(
                _App(receiver, settings.path),
                host=settings.host,
                port=settings.port,
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                # Only an address that really calls is checked against the networks.
                proxy_headers=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=10,
            ),
            ready,
        )
        # uvicorn would raise the signal again to end the process: a clean stop is status 0.
        server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]
        _on_signals(server)
        try:
            await server.serve()
        except SystemExit:
            raise CannotServe(f"cannot listen on {settings.host}:{settings.port}") from None


def _on_signals(server: uvicorn.Server) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, server.handle_exit, number, None)
        except NotImplementedError:  # Windows
            signal.signal(number, server.handle_exit)


def _handler(number: int, text: str, sink: Sink) -> Handler:
    # Its progress is kept by position and kind: a URL may hold a password, which may change.
    kind = text.partition(":")[0]
    return Handler(
        name=f"to-{number}-{kind}",
        function=sink.deliver,
        batch=True,
        wait=0.0,
        ordered=True,
        attempts=_ALWAYS,
        backoff=0.5,
        longest_backoff=_LONGEST_BACKOFF,
        timeout=120.0,
    )


async def _open(text: str, sink: Sink) -> None:
    try:
        await sink.open()
    except ServiceError as error:
        # Pushes are taken all the same; they are passed on when the other side is back.
        _log.warning("sink %s is not available yet: %s", text.partition(":")[0], error)


class _App:
    """The path for pushes, and the routes for operators."""

    def __init__(self, receiver: Receiver, path: str) -> None:
        self._receiver = receiver
        self._path = "/" + path.strip("/")
        self._registry = CollectorRegistry()
        self._registry.register(_Counts(receiver))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == self._path or path.startswith(f"{self._path.rstrip('/')}/"):
            await self._receiver.asgi(scope, receive, send)
        elif path == "/healthz":
            await _answer(send, 200, b"ok\n")
        elif path == "/readyz":
            error = await self._receiver.check()
            await _answer(send, 503 if error else 200, f"{error or 'ready'}\n".encode())
        elif path == "/metrics":
            await _answer(send, 200, generate_latest(self._registry))
        else:
            await _answer(send, 404, f"pushes go to {self._path}\n".encode())


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Counts(Collector):
    """The endpoint's counts as metrics."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def collect(self) -> list[CounterMetricFamily]:
        """The metrics as of now."""
        counts = self._receiver.counts()
        pushes = CounterMetricFamily(
            "statuspush_receiver_pushes",
            "Pushes by result: acknowledged, or why not.",
            labels=["result"],
        )
        for result, count in counts.items():
            if result not in _REPORTS:
                pushes.add_metric([result], count)
        reports = CounterMetricFamily(
            "statuspush_receiver_reports",
            "Reports stored, and repeats, which were only acknowledged.",
            labels=["kind"],
        )
        reports.add_metric(["new"], counts["reports"])
        reports.add_metric(["repeat"], counts["repeats"])
        return [pushes, reports]


def run(settings: ReceiverSettings, ready: Callable[[int], None]) -> None:
    """Run :func:`serve` in this process."""
    # The inbox's thread waits this long for the interpreter while the loop is busy.
    sys.setswitchinterval(0.001)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(settings, ready))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - faster, and not in the base
    except ImportError:
        return None
    return uvloop.new_event_loop
