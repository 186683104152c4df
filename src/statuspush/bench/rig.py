"""The rig: the real service and a cheap customer, in a directory."""

import contextlib
import http.client
import json
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from statuspush.bench.child import Child
from statuspush.bench.processes import family, shared_memory_mb, usage
from statuspush.core.errors import ServiceError
from statuspush.launch import START_SECONDS, ServeProcess

TOKEN: Final = "benchmark-operator-token"  # noqa: S105 - of a service that lives for a run
_PAGE: Final = 1000
_CALL_SECONDS: Final = 60.0
_CALLERS: Final = 8
_STILL_SECONDS: Final = 0.25
_STILL_CPU_SECONDS: Final = 0.025


class Rig:
    """A service and a sink that run; made by :func:`running`."""

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        self.directory = directory
        self.journal = directory / "sink.journal"
        """What the sink received; see :class:`~statuspush.bench.sink.SinkJournal`."""
        self.sink: Child
        self.sink_port = 0
        self.service = ServeProcess(
            directory, {"operator_token": TOKEN, "log_level": "warning", **settings}
        )
        self.exit_status: int | None = None
        """Of the service, once it has been stopped; 0 after a clean drain."""

    @property
    def port(self) -> int:
        """The service's port."""
        return self.service.port

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Call the service's API; raises ServiceError for an answer that is not a success."""
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
        total: int = 0
        cursor = ""
        while True:
            query = {"limit": _PAGE} | ({"cursor": cursor} if cursor else {})
            page = self.api("GET", f"/v1/accounts?{urllib.parse.urlencode(query)}")
            total += sum(item["counts"]["reports"]["delivered"] for item in page["items"])
            cursor = page["next"]
            if not cursor:
                return total

    def open_accounts(self, accounts: Iterable[str]) -> None:
        """Create accounts, or take existing ones, and switch them on."""

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
        """Wait until the service is idle: all its processes are up, nothing is left to do."""
        deadline = time.monotonic() + START_SECONDS
        before = self._cpu()
        while time.monotonic() < deadline:
            time.sleep(_STILL_SECONDS)
            now = self._cpu()
            if now - before <= _STILL_CPU_SECONDS:
                return
            before = now
        raise ServiceError("the service does not become idle")

    def memory_mb(self) -> float:
        """Memory of all processes of the service now (PSS)."""
        return sum(map(shared_memory_mb, family(self.service.pid)))

    def database_bytes(self) -> int:
        """Size of the database without its write-ahead log, which is empty after the end."""
        return self.service.database.stat().st_size

    def _cpu(self) -> float:
        self.service.check()
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
    directory: Path,
    accounts: Sequence[str],
    settings: Mapping[str, str] | None = None,
    *,
    kill: bool = False,
) -> Iterator[Rig]:
    """Start service and sink with these accounts; stop both at the end, kill both after an error.

    :param directory: holds the database, which may already exist, the journal and the logs.
    :param settings: of the service, by name.
    :param kill: the service ends by SIGKILL instead of draining.

    Raises :class:`~statuspush.core.errors.ServiceError` when one of them can't be started.
    """
    rig = Rig(directory.resolve(), settings or {})
    rig.journal.unlink(missing_ok=True)
    rig.sink = Child("statuspush.bench.sink", str(rig.journal), log=directory / "sink.log")
    try:
        rig.sink_port = int(rig.sink.hear(START_SECONDS))
        with _serving(rig, kill=kill):
            rig.open_accounts(accounts)
            rig.wait_still()
            yield rig
    finally:
        rig.sink.stop()


@contextlib.contextmanager
def _serving(rig: Rig, *, kill: bool) -> Iterator[None]:
    try:
        rig.service.start()
        yield
        rig.service.check()
        if not kill:
            rig.exit_status = rig.service.stop()
    finally:
        if rig.service.running:
            rig.service.kill()
