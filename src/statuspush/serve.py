"""``statuspush serve``: takes the port, starts the workers, then becomes the store process.

The workers do their imports while this process does its own, so that both are ready sooner.
"""

import asyncio
import errno
import os
import socket
import sys
import time
from collections.abc import Callable

import structlog
import uvloop

from statuspush.config import Loaded, Settings
from statuspush.core.errors import ServiceError
from statuspush.dispatcher.spawn import spawn
from statuspush.process import raise_file_limit

_PORT_SECONDS = 1.0
"""Grace period: workers of a killed process may hold its port a moment longer."""


class CannotListen(ServiceError):
    """The address to listen on is in use or not ours."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(f"cannot listen on {host}:{port}: {error.strerror}")


def run(
    loaded: Loaded, *, loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
) -> int:
    """Run a service until it is told to stop; return the exit status, 0 after a clean drain.

    Raises :class:`CannotListen`, or what the store raises when it can't be opened.
    """
    settings = loaded.settings
    # A thread that finishes a commit waits this long for the interpreter when the loop is busy.
    sys.setswitchinterval(0.001)
    raise_file_limit()
    with _listen(settings) as listener:
        spawned = [spawn(listener) for _ in range(_workers(settings))]
        from statuspush.service import Service  # noqa: PLC0415 (see above)
        from statuspush.telemetry import configure_logging  # noqa: PLC0415

        configure_logging(settings.log_format, settings.log_level)
        for warning in settings.warnings():
            structlog.get_logger("service").warning(warning)
        with asyncio.Runner(loop_factory=loop) as runner:
            return 0 if runner.run(Service(settings, listener, spawned).run()) else 1


def _workers(settings: Settings) -> int:
    return settings.workers or max(1, len(os.sched_getaffinity(0)) - 1)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + _PORT_SECONDS
    while True:
        try:
            listener.bind((settings.host, settings.port))
            listener.listen(2048)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            listener.close()
            raise CannotListen(settings.host, settings.port, error) from error
        listener.setblocking(False)
        return listener
