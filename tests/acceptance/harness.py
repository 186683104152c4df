"""What the acceptance tests stand on: the real service, a customer, submitters, two journals.

The oracle is outside the program: ``Submitters.accepted`` is what a submitter was told is
accepted, :class:`Customer` keeps what it received in a file, and :func:`reconcile` compares.
"""

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.scaffolding import PATIENCE, wait_for

from statuspush.launch import ServeProcess

TOKEN = "operator-token-of-the-acceptance-tests"
ROOT = Path(__file__).resolve().parents[2]


class Refused(Exception):
    """The service answered with a problem."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        super().__init__(f"{status}: {body[:500].decode(errors='replace')}")
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document."""
        return json.loads(self.body)


class Service(ServeProcess):
    """A real ``statuspush serve``, and how the tests ask it."""

    def __init__(
        self,
        directory: Path,
        settings: dict[str, str] | None = None,
        prefix: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        defaults = {"operator_token": TOKEN, "log_level": "info", "log_format": "json"}
        super().__init__(
            directory,
            {**defaults, **(settings or {})},
            prefix=prefix,
            environment=environment,
            out="service.out",
        )

    def terminate(self, seconds: float = 40) -> int:
        """SIGTERM; wait for the end and return the exit status."""
        self.signal(signal.SIGTERM)
        return self.ended(seconds)

    def refused(self, *flags: str) -> int:
        """Start another one like it, which is to end on its own; its exit status."""
        return self.spawn(*flags).wait(60)

    # asking it

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, timeout: float = 30
    ) -> tuple[int, Any, bytes]:
        """One request with the operator's token: status, headers, body."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=body,
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def api(self, method: str, path: str, body: object = None, timeout: float = 30) -> Any:
        """Call the API; raises :class:`Refused` for anything but 2xx."""
        data = None if body is None else json.dumps(body).encode()
        status, headers, content = self.ask(path, method, data, timeout)
        if status >= 300:
            raise Refused(status, headers, content)
        return json.loads(content) if content else None

    def account(self, name: str, url: str, **push: object) -> None:
        """Create an account and switch its interface on."""
        self.api("PUT", f"/v1/accounts/{name}", {"name": name})
        self.set_push(name, mode="on", url=url, **push)

    def set_push(self, account: str, **settings: object) -> Any:
        return self.api("PATCH", f"/v1/accounts/{account}/push", settings)

    def submit(self, reports: Sequence[dict[str, Any]]) -> dict[str, int]:
        """Submit once; raises :class:`Refused` or an :class:`OSError`."""
        return self.api("POST", "/v1/reports", reports)

    def counts(self, kind: str = "reports") -> Counter[str]:
        """Reports (or pushes) of all accounts by state."""
        counted: Counter[str] = Counter()
        for item in self.accounts():
            counted.update(item["counts"][kind])
        return counted

    def accounts(self) -> Iterator[dict[str, Any]]:
        """All accounts, by name."""
        cursor = ""
        while True:
            query = urllib.parse.urlencode(
                {"limit": "1000"} | ({"cursor": cursor} if cursor else {})
            )
            page = self.api("GET", f"/v1/accounts?{query}", timeout=60)
            yield from page["items"]
            cursor = page["next"]
            if not cursor:
                return

    def drained(self, seconds: float = PATIENCE, every: float = 0.05) -> Counter[str]:
        """Wait until no report waits or is being sent; return the counts by state."""

        def met() -> Counter[str] | None:
            assert self.running, f"the service ended: {self.log()[-3:]}"
            counts = self.counts()
            return None if counts["waiting"] or counts["sending"] else counts

        return wait_for("everything sent", met, seconds, every)

    def pushes(self, account: str, state: str = "") -> Iterator[dict[str, Any]]:
        """All pushes of an account, newest first."""
        cursor = ""
        while True:
            query = urllib.parse.urlencode(
                {k: v for k, v in (("state", state), ("cursor", cursor), ("limit", "100")) if v}
            )
            page = self.api("GET", f"/v1/accounts/{account}/pushes?{query}")
            yield from page["items"]
            cursor = page["next"]
            if not cursor:
                return

    def push(self, push: str) -> dict[str, Any]:
        return self.api("GET", f"/v1/pushes/{push}")

    def log(self, event: str = "") -> list[dict[str, Any]]:
        """Log lines with that text in their event."""
        lines = []
        for line in self.log_path.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                entry = json.loads(line)
                if event in str(entry.get("event", "")):
                    lines.append(entry)
        return lines

    def interrupted(self) -> list[int]:
        """For each start that found some: pushes that were under way when the last one died."""
        return [line["pushes"] for line in self.log("pushes were under way")]

    def workers(self) -> list[int]:
        """Process ids of the worker processes."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def memory_mb(self, what: str = "VmRSS") -> float:
        """Resident memory now of all processes together (``VmHWM``: the most of each)."""
        return sum(_memory_mb(pid, what) for pid in (self.pid, *self.workers()))


def _memory_mb(pid: int, what: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"no {what}")


# reports whose whole content follows from the sid


def report(account: str, sid: str) -> dict[str, Any]:
    """A submitted report; everything in it follows from its sid (``tag-number``)."""
    number = int(sid.rpartition("-")[2])
    failed = number % 3 == 0
    return {
        "account": account,
        "sid": sid,
        "uid": None if number % 2 else f"order-{number}",
        "user_receive_time": f"2026-03-04 05:06:{number % 60:02d}",
        "duration": 0 if failed else number % 90,
        "error_msg": "用户信号不佳、关机等 50% a+b" if failed else None,
        "mobile": f"+372{58000000 + number % 1000000}"
        if number % 5 == 0
        else str(15200000000 + number % 100000000),
        "report_status": "FAIL" if failed else "SUCCESS",
    }


def reports(account: str, tag: str, count: int, start: int = 0) -> list[dict[str, Any]]:
    """So many reports of one account."""
    return [report(account, f"{tag}-{number}") for number in range(start, start + count)]


@dataclass
class Submitters:
    """Threads that submit without end; a batch is sent again until it is answered 202.

    ``accepted`` (sid -> account) and the file beside it are the journal of what was promised.
    """

    service: Service
    accounts: Sequence[str]
    journal: Path
    threads: int = 3
    batch: tuple[int, int] = (1, 120)
    pause: float = 0.03
    """Mean seconds between two batches of a thread."""
    accepted: dict[str, str] = field(default_factory=dict)
    refused: Counter[int] = field(default_factory=Counter)
    """Answers other than 202, by status; 0: none came."""
    answered: dict[str, float] = field(default_factory=dict)
    """When each sid was acknowledged (monotonic)."""
    mistakes: list[str] = field(default_factory=list)
    mark: Callable[[], int] = lambda: 0
    """Asked after each 202; ``marks`` holds what it said, by sid."""
    marks: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._running: list[threading.Thread] = []

    def start(self) -> "Submitters":
        for number in range(self.threads):
            thread = threading.Thread(target=self._run, args=(number,), daemon=True)
            self._running.append(thread)
            thread.start()
        return self

    def stop(self, seconds: float = PATIENCE) -> None:
        """Finish: batches not yet answered are sent until they are (the service must be up)."""
        self._stop.set()
        for thread in self._running:
            thread.join(seconds)
            assert not thread.is_alive(), "a submitter got no answer"
        assert not self.mistakes, self.mistakes[:3]

    def more(self, reports: int) -> None:
        """Wait until so many more are accepted."""
        before = len(self.accepted)
        wait_for("load", lambda: len(self.accepted) >= before + reports)

    def _run(self, number: int) -> None:
        chance = random.Random(number)
        sequence = 0
        while not self._stop.is_set():
            count = chance.randint(*self.batch)
            made = [
                report(chance.choice(self.accounts), f"s{number}-{sequence + n}")
                for n in range(count)
            ]
            sequence += count
            self._submit(made)
            self._stop.wait(chance.uniform(0, 2 * self.pause))

    def _submit(self, made: list[dict[str, Any]]) -> None:
        body = json.dumps(made).encode()
        while True:
            try:
                status, _, answer = self.service.ask("/v1/reports", "POST", body, timeout=20)
            except (OSError, http.client.HTTPException):
                status, answer = 0, b""
            if status == 202:
                now, mark = time.monotonic(), self.mark()
                said = json.loads(answer)
                if said["accepted"] + said["duplicates"] != len(made):
                    self.mistakes.append(f"{said} for {len(made)} reports")
                with self._lock, self.journal.open("a") as journal:
                    for item in made:
                        self.accepted[item["sid"]] = item["account"]
                        self.answered[item["sid"]] = now
                        self.marks[item["sid"]] = mark
                        journal.write(f"{now:.3f} {item['account']} {item['sid']}\n")
                return
            with self._lock:
                self.refused[status] += 1
            if status not in (0, 429, 503):
                self.mistakes.append(f"{status} {answer[:300]!r}")
                return
            time.sleep(0.05)


# the customer


@dataclass(frozen=True)
class Arrival:
    """A push as the customer received it."""

    at: float
    steady: float
    """Monotonic time: not moved by a change of the clock."""
    account: str
    id: str
    attempt: int
    acknowledged: bool
    reports: list[dict[str, Any]]

    @property
    def sids(self) -> list[str]:
        return [report["sid"] for report in self.reports]


class Customer:
    """The customer's process (crash_customer.py); each path is an account's endpoint."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        journal.touch()
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("crash_customer.py")), str(journal)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def url(self, account: str) -> str:
        return f"http://127.0.0.1:{self.port}/{account}"

    def behave(self, account: str = "*", **behaviour: object) -> None:
        """Set an endpoint's behaviour (crash_customer.Behaviour); ``*`` is every other one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        path = account if account == "*" else f"/{account}"
        self._process.stdin.write(json.dumps({"path": path, **behaviour}) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ok\n"

    def arrivals(self) -> Iterator[Arrival]:
        """Everything that arrived so far, in order."""
        with self.journal.open("rb") as journal:
            for line in journal:
                if not line.endswith(b"\n"):
                    return
                entry = json.loads(line)
                yield Arrival(
                    entry["at"],
                    entry["steady"],
                    entry["path"].removeprefix("/"),
                    entry["id"],
                    entry["attempt"],
                    entry["acknowledged"],
                    decode(entry["body"]),
                )

    def count(self) -> int:
        """How many pushes arrived."""
        with self.journal.open("rb") as journal:
            return sum(1 for _ in journal)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


def decode(body: str) -> list[dict[str, Any]]:
    """A push's body as a customer decodes it; not with the program's own decoder."""
    (value,) = urllib.parse.parse_qs(body, strict_parsing=True)["voice_status"]
    return json.loads(value)


# reconciliation


@dataclass(frozen=True)
class Reconciliation:
    """What was promised against what the customer received."""

    accepted: int
    delivered: int
    """Reports that the customer acknowledged."""
    lost: frozenset[str]
    """Accepted, never acknowledged by the customer, and not kept by the service either."""
    repeated: Counter[str]
    """How often the customer acknowledged each push again."""
    repeated_reports: int
    """Reports in them."""
    strays: frozenset[str]
    """Reports the customer received in two different pushes: never, whatever happens."""
    wrong: frozenset[str]
    """Reports that arrived changed, or at another customer."""

    @property
    def repeated_pushes(self) -> int:
        """Acknowledged sends of pushes that the customer had acknowledged before."""
        return self.repeated.total()

    def check(self, repeated_at_most: int | None = None) -> "Reconciliation":
        """Assert what holds after every fault."""
        assert not self.lost, f"{len(self.lost)} LOST, for one {min(self.lost)}"
        assert not self.strays, f"in two pushes: {sorted(self.strays)[:5]}"
        assert not self.wrong, f"changed or misdirected: {sorted(self.wrong)[:5]}"
        if repeated_at_most is not None:
            assert self.repeated_pushes <= repeated_at_most, (
                f"{self.repeated_pushes} pushes repeated, {repeated_at_most} were under way"
            )
        return self


def reconcile(
    accepted: dict[str, str], arrivals: Iterable[Arrival], kept: frozenset[str] = frozenset()
) -> Reconciliation:
    """Compare the two journals; ``kept`` are sids that the service still shows (exhausted, …)."""
    acknowledged: set[str] = set()
    push_of: dict[str, str] = {}
    pushes_done: set[str] = set()
    strays: set[str] = set()
    wrong: set[str] = set()
    repeated: Counter[str] = Counter()
    repeated_reports = 0
    for arrival in arrivals:
        # A repeat that the customer refuses is followed by a retry: its doing, not a second repeat.
        if arrival.id in pushes_done and arrival.acknowledged:
            repeated[arrival.id] += 1
            repeated_reports += len(arrival.reports)
        for received in arrival.reports:
            sid = received["sid"]
            if push_of.setdefault(sid, arrival.id) != arrival.id:
                strays.add(sid)
            if report(arrival.account, sid) != {"account": arrival.account, **received} or (
                accepted.get(sid, arrival.account) != arrival.account
            ):
                wrong.add(sid)
        if arrival.acknowledged:
            pushes_done.add(arrival.id)
            acknowledged.update(arrival.sids)
    return Reconciliation(
        accepted=len(accepted),
        delivered=len(acknowledged),
        lost=frozenset(accepted.keys() - acknowledged - kept),
        repeated=repeated,
        repeated_reports=repeated_reports,
        strays=frozenset(strays),
        wrong=frozenset(wrong),
    )


def kept_reports(service: Service, accounts: Iterable[str], *states: str) -> frozenset[str]:
    """Sids in the pushes that the service shows in these states."""
    return frozenset(
        item["sid"]
        for account in accounts
        for state in states
        for push in service.pushes(account, state)
        for item in service.push(push["id"])["reports"]
    )


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# a stage with both on it, and what a machine may lack


@contextlib.contextmanager
def stage(
    directory: Path,
    accounts: Iterable[str] = (),
    *,
    prefix: Sequence[str] = (),
    environment: dict[str, str] | None = None,
    push: dict[str, object] | None = None,
    **settings: str,
) -> Iterator[tuple[Service, Customer]]:
    """A ready service whose accounts are on, and their customer; both ended at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        customer = Customer(directory / "customer.journal")
        stack.callback(customer.close)
        service = Service(directory, settings, prefix, environment or {})
        stack.callback(service.stop)
        service.start()
        for account in accounts:
            service.account(account, customer.url(account), **(push or {}))
        yield service, customer


def unavailable(reason: str) -> None:
    """A test can't run here: skip with the reason, or fail where it is required."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"required in CI: {reason}")
    pytest.skip(reason)


def build_shim(directory: Path) -> Path:
    """Compile crash_shim.c, the library that makes the faults of the system."""
    if shutil.which("gcc") is None:
        unavailable("needs gcc to make fsync fail, to record writes and to move the clock")
    library = directory / "crash_shim.so"
    source = Path(__file__).with_name("crash_shim.c")
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl", "-lpthread"], check=True
    )
    return library


@contextlib.contextmanager
def small_disk(directory: Path, size: str) -> Iterator[Path]:
    """A file system of that size, in memory; needs root."""
    if os.geteuid() != 0:
        unavailable("needs root to mount a small file system")
    disk = directory / "disk"
    disk.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        unavailable(f"cannot mount a small file system: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
