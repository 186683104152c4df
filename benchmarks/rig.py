"""The rig: the real service, a sink, accounts, and the reconciliation of every report."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.sink import Journal
from statuspush.core.decode import decode
from statuspush.core.report import Submission
from statuspush.core.wire import fragments
from statuspush.store.sqlite import SqliteStore

TOKEN = "benchmark-operator-token"
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, in user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mb(pid: int) -> float:
    """Most memory that a process has held, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


@dataclass
class Rig:
    """A service and a sink that run; the database is in ``directory``."""

    directory: Path
    accounts: list[str]
    service: subprocess.Popen[str] = field(init=False)
    sink: subprocess.Popen[str] = field(init=False)
    port: int = 0
    sink_port: int = 0
    ready_seconds: float = 0.0

    @property
    def journal(self) -> Path:
        """File of what the sink received."""
        return self.directory / "sink.journal"

    @property
    def database(self) -> Path:
        """The service's database."""
        return self.directory / "statuspush.db"

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Call the service's API."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def metric(self, name: str) -> float:
        """The value of a metric of the service."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60) as answer:
            for line in answer:
                if line.startswith(name.encode() + b" "):
                    return float(line.split()[1])
        raise KeyError(name)

    def reports(self, *states: str) -> int:
        """Reports of all accounts in these states."""
        listed = self.api("GET", "/v1/accounts")
        return sum(item["counts"]["reports"][s] for item in listed["items"] for s in states)


async def prefill(database: Path, accounts: list[str], reports: int) -> None:
    """Store reports as yesterday's: accepted while the interface was off."""
    store = SqliteStore(database)
    now = int(time.time() * 1000) - 86_400_000
    await store.open(now)
    for account in accounts:
        await store.put_account(account, account, b"", now)
    batch = 10_000
    for start in range(0, reports, batch):
        made = [
            Submission(
                account=accounts[n % len(accounts)],
                sid=f"old{n:020x}",
                user_receive_time="2026-03-03 01:02:03",
                duration=n % 90,
                mobile=str(15200000000 + n % 100000000),
                report_status="SUCCESS",
                uid=f"order-{n}",
            )
            for n in range(start, min(start + batch, reports))
        ]
        await store.append_reports(made, fragments(made), now)
        while (await store.sweep(now, keep_from=0)).more:
            pass
    await store.close()


@contextlib.contextmanager
def running(directory: Path, accounts: list[str], settings: dict[str, str]) -> Iterator[Rig]:
    """Start service and sink, create the accounts and switch them on; stop all at the end."""
    rig = Rig(directory, accounts)
    rig.sink = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sink", str(rig.journal)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert rig.sink.stdout is not None
    rig.sink_port = int(rig.sink.stdout.readline())
    began = time.perf_counter()
    rig.service = subprocess.Popen(
        [sys.executable, "-m", "statuspush", "serve", "--port", "0"],
        env={
            **os.environ,
            "STATUSPUSH_DATABASE": f"sqlite:///{rig.database}",
            "STATUSPUSH_OPERATOR_TOKEN": TOKEN,
            "STATUSPUSH_ALLOW_TARGETS": "127.0.0.0/8",
            "STATUSPUSH_LOG_LEVEL": "warning",
            **settings,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert rig.service.stdout is not None
        line = rig.service.stdout.readline()
        rig.port = int(line.rsplit(":", 1)[1])
        while True:
            with contextlib.suppress(OSError):
                rig.api("GET", "/readyz")
                break
            time.sleep(0.01)
        rig.ready_seconds = time.perf_counter() - began
        for account in accounts:
            rig.api("PUT", f"/v1/accounts/{account}", {"name": account})
            rig.api(
                "PATCH",
                f"/v1/accounts/{account}/push",
                {"mode": "on", "url": f"http://127.0.0.1:{rig.sink_port}/{account}"},
            )
        yield rig
    finally:
        rig.service.send_signal(signal.SIGTERM)
        rig.service.wait(40)
        assert rig.sink.stdin is not None
        rig.sink.stdin.close()
        rig.sink.wait(20)


@dataclass(frozen=True)
class Reconciliation:
    """Every report that was accepted against every report that arrived."""

    accepted: int
    arrived: int
    lost: int
    repeats: int
    misdirected: int
    pushes: int
    first_arrival: float
    last_arrival: float


def reconcile(journal: Path, accepted: dict[str, str]) -> Reconciliation:
    """Compare the sink's journal with ``accepted`` (sid -> account)."""
    arrived: dict[str, int] = {}
    misdirected = pushes = 0
    first = last = 0.0
    for at, path, body in Journal.read(journal):
        pushes += 1
        first, last = first or at, at
        for report in decode(body):
            sid = str(report["sid"])
            arrived[sid] = arrived.get(sid, 0) + 1
            misdirected += accepted.get(sid) != path[1:]
    return Reconciliation(
        accepted=len(accepted),
        arrived=len(arrived),
        lost=len(accepted.keys() - arrived.keys()),
        repeats=sum(count - 1 for count in arrived.values()),
        misdirected=misdirected,
        pushes=pushes,
        first_arrival=first,
        last_arrival=last,
    )
