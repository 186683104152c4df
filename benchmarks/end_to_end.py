"""The whole path: submitted over HTTP, stored durably, pushed, acknowledged, recorded.

The real service runs with its durable defaults beside a load generator and a cheap customer;
at the end every sid is reconciled.
"""

import asyncio
import shutil
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from benchmarks import load
from benchmarks.rig import TOKEN, Rig, cpu_seconds, prefill, reconcile, resident_mb, running

_DRAIN_SECONDS = 120


@dataclass(frozen=True)
class Work:
    """What is submitted."""

    name: str
    accounts: int
    reports: int
    per_request: int
    connections: int


WORKS = {
    work.name: work
    for work in (
        Work("even", accounts=1000, reports=600_000, per_request=1000, connections=4),
        Work("large", accounts=10, reports=1_200_000, per_request=1000, connections=4),
        Work("single", accounts=1000, reports=40_000, per_request=1, connections=64),
    )
}


@dataclass(frozen=True)
class Result:
    """Figures of one run."""

    work: str
    stored_before: int
    reports: int
    seconds: float
    reports_per_second: float
    accept_per_second: float
    accept_ms_p50: float
    accept_ms_p99: float
    pushes: int
    reports_per_push: float
    pushes_per_second: float
    cpu_service: float
    cpu_load: float
    cpu_sink: float
    cpu_us_per_report: float
    resident_mb: float
    bytes_per_report: float
    ready_seconds: float
    lost: int
    repeats: int
    misdirected: int


def run(work: Work, *, stored: int, directory: Path | None = None) -> Result:
    """One run in an empty directory, on an empty file or one with ``stored`` reports."""
    folder = Path(tempfile.mkdtemp(prefix="statuspush-bench-", dir=directory))
    try:
        return _run(work, stored, folder)
    finally:
        shutil.rmtree(folder)


def _run(work: Work, stored: int, folder: Path) -> Result:
    accounts = [f"customer-{n:04d}" for n in range(work.accounts)]
    if stored:
        asyncio.run(prefill(folder / "statuspush.db", accounts, stored))
    made = load.requests(
        accounts, reports=work.reports, per_request=work.per_request, token=TOKEN, tag="new"
    )
    accepted = {f"new{n:020x}": accounts[n % len(accounts)] for n in range(work.reports)}
    with running(folder, accounts, {}) as rig:
        before = rig.database.stat().st_size
        cpu_before = _cpu(rig)
        began = time.perf_counter()
        times = uvloop.run(load.submit(rig.port, made, connections=work.connections))
        accept_seconds = time.perf_counter() - began
        deadline = time.monotonic() + _DRAIN_SECONDS
        while rig.metric("statuspush_reports_acknowledged_total") < work.reports:
            if time.monotonic() > deadline:
                raise RuntimeError("the backlog does not drain")
            time.sleep(0.02)
        while rig.reports("delivered") < work.reports:
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        cpu = [now - then for now, then in zip(_cpu(rig), cpu_before, strict=True)]
        memory = resident_mb(rig.service.pid)
        ready = rig.ready_seconds
    grown = rig.database.stat().st_size - before
    found = reconcile(rig.journal, accepted)
    times.sort()
    return Result(
        work=work.name,
        stored_before=stored,
        reports=work.reports,
        seconds=round(seconds, 3),
        reports_per_second=round(work.reports / seconds),
        accept_per_second=round(work.reports / accept_seconds),
        accept_ms_p50=round(statistics.median(times) * 1000, 2),
        accept_ms_p99=round(times[int(len(times) * 0.99)] * 1000, 2),
        pushes=found.pushes,
        reports_per_push=round(work.reports / found.pushes, 1),
        pushes_per_second=round(found.pushes / seconds),
        cpu_service=round(cpu[0] / seconds, 2),
        cpu_load=round(cpu[1] / seconds, 2),
        cpu_sink=round(cpu[2] / seconds, 2),
        cpu_us_per_report=round(cpu[0] / work.reports * 1e6, 2),
        resident_mb=round(memory),
        bytes_per_report=round(grown / work.reports),
        ready_seconds=round(ready, 2),
        lost=found.lost,
        repeats=found.repeats,
        misdirected=found.misdirected,
    )


def _cpu(rig: Rig) -> tuple[float, float, float]:
    times = time.process_time()
    return cpu_seconds(rig.service.pid), times, cpu_seconds(rig.sink.pid)


def as_json(result: Result) -> dict[str, object]:
    """The figures as a mapping."""
    return asdict(result)
