"""A worker process: takes submissions and sends pushes, and owns no data.

``python -m statuspush.worker.main LINK LISTENER``, with two inherited file descriptors; started by
:mod:`statuspush.dispatcher.worker_pool` and useless without it.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn
import uvloop

from statuspush.clock import SteadyClock
from statuspush.config import Settings
from statuspush.link.calls import Calls
from statuspush.link.frames import Link
from statuspush.link.messages import FromWorker, SetUp, ToWorker
from statuspush.link.store import remote_store
from statuspush.process import calm_garbage_collector, share_of_files
from statuspush.telemetry import Telemetry, configure_logging
from statuspush.transport import AddressGuard, Transport
from statuspush.web.app import Application, create_app
from statuspush.web.dependencies import WebDependencies
from statuspush.web.front import Front
from statuspush.worker.accept import Accept
from statuspush.worker.send import Send
from statuspush.worker.worker import Worker

_MOST_IDLE = 1024
_PR_SET_PDEATHSIG = 1


class WorkerService:
    """A worker process: its parts, and the calls that the deciding process may make."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._telemetry = Telemetry()
        self._draining = False
        self._trouble: str | None = None
        self._stopped = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._worker: Worker | None = None

    async def run(self, link_socket: socket.socket) -> None:
        """Work until told to stop."""
        loop = asyncio.get_running_loop()
        self._link: Link[ToWorker, FromWorker] = Link(
            ToWorker, FromWorker, receive=self._receive, lost=self._lost
        )
        self._calls = Calls({"set_up": self._set_up}, self._link.outgoing)
        await loop.create_connection(lambda: self._link, sock=link_socket)
        await self._stopped.wait()
        await self._stop()

    def _receive(self, frame: ToWorker) -> None:
        if self._worker is not None:
            self._worker.take(frame)
        else:
            self._calls.take(frame.calls, frame.results)

    async def _set_up(self, told: SetUp) -> None:
        settings = told.settings
        configure_logging(settings.log_format, settings.log_level)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # it logs each start
        self._trouble = told.trouble
        clock = SteadyClock(told.start_ns)
        self._transport = _transport(settings, share_of_files())
        send = Send(
            self._transport,
            clock,
            self._telemetry,
            retry_interval_ms=settings.retry_interval_ms,
            slow_seconds=settings.slow_send_seconds,
        )
        self._worker = worker = Worker(
            send,
            clock,
            self._link.outgoing,
            {
                "state": self._state,
                "beat": lambda: None,
                "snapshot": self._telemetry.snapshot,
                "stop": self._stopped.set,
            },
        )
        accept = Accept(
            worker.submissions.submit,
            self._telemetry,
            tz=settings.timezone,
            max_bytes=settings.max_intake_bytes // told.workers,
        )
        app = create_app(
            WebDependencies(
                store=remote_store(worker.calls),
                accept=accept,
                test_push=lambda account: send.test_push(account.push, account.kind),
                metrics=lambda accept: worker.calls.call("metrics", accept),
                clock=clock,
                telemetry=self._telemetry,
                timezone=settings.timezone,
                operator_token_hash=lambda: told.token_hash,
                not_ready=lambda: self._trouble,
                draining=lambda: self._draining,
                max_intake_bytes=settings.max_intake_bytes // told.workers,
            )
        )
        self._server = _server(app)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        self._lag = asyncio.create_task(self._telemetry.watch_loop())
        while not self._server.started:
            await asyncio.sleep(0.001)
        calm_garbage_collector()

    def _lost(self) -> None:
        # Without the process that owns the store there is nothing to do, and nothing to finish:
        # when it is started again, it knows what was under way.
        if not self._stopped.is_set():
            os._exit(1)

    def _state(self, draining: bool, trouble: str | None) -> None:
        self._draining, self._trouble = draining, trouble

    async def _stop(self) -> None:
        if self._serving is not None and self._worker is not None:
            self._server.should_exit = True
            await asyncio.wait([self._serving], timeout=4)
            self._lag.cancel()
            # What was not broken off in time is reported all the same.
            await self._worker.sends.finish(0)
            await self._transport.close()
        self._link.close()


def _transport(settings: Settings, share: int) -> Transport:
    return Transport(
        guard=AddressGuard(settings.allow_targets),
        proxy=settings.proxy,
        ca_file=str(settings.ca_file) if settings.ca_file else None,
        max_idle_connections=min(_MOST_IDLE, share),
    )


def _server(app: Application) -> uvicorn.Server:
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=Front(app.submissions),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            access_log=False,
            proxy_headers=False,  # nothing here uses a request's origin
            log_config=None,
            server_header=False,
            timeout_keep_alive=75,  # longer than clients keep idle connections
            timeout_graceful_shutdown=3,
        )
    )
    # Signals are for the store process, which says when to stop.
    server.capture_signals = _no_signals  # type: ignore[method-assign]
    return server


@contextlib.contextmanager
def _no_signals() -> Iterator[None]:
    yield


def _die_with_parent() -> None:
    """On Linux the kernel ends us with the store process; elsewhere the closed link does."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(link: int, listener: int) -> None:
    """Run a worker on two inherited descriptors."""
    # Terminals and service managers send both to the whole process group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _die_with_parent()
    link_socket = socket.socket(fileno=link)
    link_socket.setblocking(False)
    listening = socket.socket(fileno=listener)

    async def work() -> None:
        await WorkerService(listening).run(link_socket)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
