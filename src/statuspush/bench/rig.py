"""The rig: the real service and a cheap customer, in a directory."""

import contextlib
import http.client
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from statuspush.bench.child import Child, kill_session, last_lines
from statuspush.bench.processes import family, usage
from statuspush.config.settings import PREFIX
from statuspush.core.errors import ServiceError

TOKEN: Final = "benchmark-operator-token"  # noqa: S105 - of a service that lives for a run
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 40.0
_CALL_SECONDS: Final = 60.0
_CALLERS: Final = 8
_STILL_SECONDS: Final = 0.25
_STILL_CPU_SECONDS: Final = 0.025
DATABASE: Final = "statuspush.db"
"""Name of the database in the directory of a rig."""


class Rig:
    """A service and a sink that run; made by :func:`running`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.journal = directory / "sink.journal"
        """What the sink received; see :class:`~statuspush.bench.sink.Journal`."""
        self.log = directory / "service.log"
        self.sink: Child
        self.sink_port = 0
        self.service: subprocess.Popen[str]
        self.port = 0
        self.ready_seconds = 0.0
        """From the start of the service to its first answer."""
        self.exit_status: int | None = None
        """Of the service, once it has been stopped; 0 after a clean drain."""

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Call the service's API; raises ServiceError for an answer that is no success."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_CALL_SECONDS)
        with contextlib.closing(connection):
            return _call(connection, method, path, body)

    def metrics(self) -> dict[str, float]:
        """The metrics of the service that have no labels, by name."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_CALL_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        return {
            name: float(value)
            for name, _, value in (line.partition(" ") for line in text.splitlines())
            if value and "#" not in name and "{" not in name
        }

    def delivered(self) -> int:
        """Reports of all accounts that are recorded as delivered."""
        listed = self.api("GET", "/v1/accounts")["items"]
        return sum(item["counts"]["reports"]["delivered"] for item in listed)

    def open_accounts(self, accounts: Iterable[str]) -> None:
        """Create accounts, or take those that are there, and switch them on."""

        def create(some: Sequence[str]) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_CALL_SECONDS)
            with contextlib.closing(connection):
                for account in some:
                    url = f"http://127.0.0.1:{self.sink_port}/{account}"
                    _call(connection, "PUT", f"/v1/accounts/{account}", {"name": account})
                    push = {"mode": "on", "url": url}
                    _call(connection, "PATCH", f"/v1/accounts/{account}/push", push)

        names = list(accounts)
        with ThreadPoolExecutor(_CALLERS) as pool:
            list(pool.map(create, (names[start::_CALLERS] for start in range(_CALLERS))))

    def wait_still(self) -> None:
        """Wait until the service does nothing: all its processes are up, nothing is left over."""
        deadline = time.monotonic() + _START_SECONDS
        before = self._cpu()
        while time.monotonic() < deadline:
            time.sleep(_STILL_SECONDS)
            now = self._cpu()
            if now - before <= _STILL_CPU_SECONDS:
                return
            before = now
        raise ServiceError("the service does not come to rest")

    def database_bytes(self) -> int:
        """Size of the database without its write-ahead log, which is empty after the end."""
        return (self.directory / DATABASE).stat().st_size

    def check(self) -> None:
        """Raise ServiceError if the service has ended."""
        if self.service.poll() is not None:
            status = self.service.returncode
            raise ServiceError(f"the service ended ({status})\n{last_lines(self.log)}")

    def _cpu(self) -> float:
        self.check()
        return sum(each.cpu for each in usage(family(self.service.pid)))


def _call(
    connection: http.client.HTTPConnection, method: str, path: str, body: object = None
) -> Any:
    connection.request(
        method,
        path,
        None if body is None else json.dumps(body),
        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise ServiceError(f"{method} {path} answered {answer.status}: {text.decode()}")
    return json.loads(text)


@contextlib.contextmanager
def running(
    directory: Path, accounts: Sequence[str], settings: Mapping[str, str] | None = None
) -> Iterator[Rig]:
    """Start service and sink with these accounts; stop both at the end, at once after an error.

    :param directory: holds the database, which may be there already, the journal and the logs.
    :param settings: of the service, by variable (``STATUSPUSH_…``).

    Raises :class:`~statuspush.core.errors.ServiceError` when one of them can't be started.
    """
    rig = Rig(directory.resolve())
    rig.journal.unlink(missing_ok=True)
    rig.sink = Child("statuspush.bench.sink", str(rig.journal), log=directory / "sink.log")
    try:
        rig.sink_port = int(rig.sink.hear(_START_SECONDS))
        with _service(rig, settings or {}):
            rig.open_accounts(accounts)
            rig.wait_still()
            yield rig
    finally:
        rig.sink.stop()


@contextlib.contextmanager
def _service(rig: Rig, settings: Mapping[str, str]) -> Iterator[None]:
    began = time.perf_counter()
    rig.service = _start(rig, settings)
    try:
        rig.port = _port(rig)
        while not _ready(rig):
            rig.check()
            time.sleep(0.01)
        rig.ready_seconds = time.perf_counter() - began
        yield
        rig.check()
        rig.service.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            rig.exit_status = rig.service.wait(_STOP_SECONDS)
    finally:
        kill_session(rig.service)
        if rig.service.stdout is not None:
            rig.service.stdout.close()


def _start(rig: Rig, settings: Mapping[str, str]) -> subprocess.Popen[str]:
    # The person's own settings are for the person's own service.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    environment |= {
        f"{PREFIX}PORT": "0",
        f"{PREFIX}DATABASE": f"sqlite:///{rig.directory / DATABASE}",
        f"{PREFIX}OPERATOR_TOKEN": TOKEN,
        f"{PREFIX}ALLOW_TARGETS": "127.0.0.0/8",
        f"{PREFIX}LOG_LEVEL": "warning",
        **settings,
    }
    with rig.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "statuspush", "serve"],
            cwd=rig.directory,  # so that no statuspush.toml of the person's is read
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # Ctrl-C is not for it
        )


def _port(rig: Rig) -> int:
    out = rig.service.stdout
    assert out is not None, "made with a pipe"
    if not select.select([out], [], [], _START_SECONDS)[0]:
        raise ServiceError(f"the service does not start\n{last_lines(rig.log)}")
    line = out.readline()
    if not line:
        raise ServiceError(f"the service ended at its start\n{last_lines(rig.log)}")
    return int(line.rsplit(":", 1)[1])


def _ready(rig: Rig) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=_CALL_SECONDS)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    return False
