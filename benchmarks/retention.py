"""Retention: what it takes from the throughput, and whether it keeps the file from growing.

Throughput: the file holds what the same load left yesterday, which falls due while today's is
submitted, at the rate at which it came. The same work on the same file with a longer retention
takes turns with it. Growth: days at constant load, lived on the store with a clock turned by hand.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from benchmarks.benchmark import Benchmark, Run, Setup, of, rows_of_medians, table
from benchmarks.days import DAY_MS, Stretch, live, open_accounts
from statuspush.bench import trial
from statuspush.bench.trial import EVEN
from statuspush.launch import DATABASE
from statuspush.store.sqlite import SqliteStore

SECONDS = 8.0
_LEAD_SECONDS = 12.0
"""From the start of the service to the moment when yesterday's first report falls due."""
_DAYS = 10
_PER_DAY = 200_000
_TICKS = 150
_DAY_ACCOUNTS = [f"customer-{n:03d}" for n in range(200)]


@dataclass(frozen=True)
class Yesterday:
    """A database as a load left it a day ago; ``now`` is when that day had passed for the first."""

    database: Path
    now: float
    reports: int

    @contextlib.contextmanager
    def copied(self) -> Iterator[Path]:
        """A folder with a copy for one run."""
        folder = Path(tempfile.mkdtemp(dir=self.database.parent))
        try:
            target = folder / DATABASE
            shutil.copyfile(self.database, target)
            target.chmod(0o600)
            with target.open("rb") as file:
                os.fsync(file.fileno())
            yield folder
        finally:
            shutil.rmtree(folder)

    def retention(self, due: float) -> dict[str, str]:
        """The setting with which the first report falls due at a moment (wall time, seconds)."""
        return {"retention_days": f"{1 + (due - self.now) / 86_400:.9f}"}


def yesterday(folder: Path, accounts: Sequence[str], rate: int, seconds: float) -> Yesterday:
    """Make a database in a folder: ``rate`` reports a second, pushed, for so long, a day ago."""
    now = time.time()
    began = int(now * 1000) - DAY_MS
    reports = round(rate * seconds)
    # A push of the even work carries about 50 reports: a tick brings each account as many.
    ticks = max(1, reports // (50 * len(accounts)))

    async def fill() -> None:
        store = SqliteStore.open(folder / DATABASE, began)
        await open_accounts(store, accounts, began)
        stretch = Stretch(began, round(seconds * 1000), reports, ticks)
        await live(store, accounts, stretch, tag="yesterday", keep_ms=None)
        await store.close()

    asyncio.run(fill())
    return Yesterday(folder / DATABASE, now, reports)


def stored(database: Path) -> int:
    """Reports that a database holds, no service running."""

    async def count() -> int:
        store = SqliteStore.open(database, int(time.time() * 1000))
        figures = await store.figures()
        await store.close()
        return figures.reports_stored

    return asyncio.run(count())


def measure(setup: Setup) -> Iterator[Run]:
    """Throughput with and without in turn, then the growth."""
    folder = Path(tempfile.mkdtemp(prefix="statuspush-retention-", dir=setup.directory))
    try:
        yield from _throughput(setup, folder)
        yield _growth(setup, folder)
    finally:
        shutil.rmtree(folder)


def _throughput(setup: Setup, folder: Path) -> Iterator[Run]:
    seconds = setup.seconds(SECONDS, least=2.0)
    work = replace(EVEN, seconds=seconds)
    setup.tell("retention: how much comes in a day at all")
    (folder / "trial").mkdir()
    usual = trial.run(work, folder / "trial")
    setup.tell("retention: making yesterday's file")
    # More than the run takes, so that it never runs out of what falls due.
    before = yesterday(folder, EVEN.names, round(usual.reports_per_second), seconds * 1.5)
    for turn in range(setup.runs):
        for retention in (True, False):
            setup.tell(f"{'with' if retention else 'without'} retention, run {turn + 1}")
            with before.copied() as copy:
                due = time.time() + _LEAD_SECONDS

                def wait(phase: str, due: float = due) -> None:
                    if phase == "load":
                        time.sleep(max(0.0, due - time.time()))

                settings = before.retention(due) if retention else {}
                figures = trial.run(work, copy, tag=f"t{turn}", settings=settings, phase=wait)
                removed = figures.stored_before + figures.reports - stored(copy / DATABASE)
                left = before.reports - figures.stored_before
            yield {
                "kind": "throughput",
                "round": turn,
                "retention": retention,
                "per_second": figures.reports_per_second,
                "accept_ms_p99": figures.accept_ms_p99,
                "store_us_per_report": figures.store_us_per_report,
                "reports": figures.reports,
                "removed": removed,
                "removed_before": left,
                "removed_share": removed / figures.reports,
                "good": figures.good and (removed > 0) == retention,
            }


def _growth(setup: Setup, folder: Path) -> Run:
    setup.tell(f"{_DAYS} days with retention")
    per_day = setup.scaled(_PER_DAY, least=20_000)
    database = folder / "days.db"
    day_one = int(time.time() * 1000) - (_DAYS + 1) * DAY_MS
    sizes: list[float] = []
    kept: list[int] = []

    async def days() -> None:
        for day in range(_DAYS):
            began = day_one + day * DAY_MS
            store = SqliteStore.open(database, began)
            if not day:
                await open_accounts(store, _DAY_ACCOUNTS, began)
            stretch = Stretch(began, DAY_MS, per_day, _TICKS)
            await live(store, _DAY_ACCOUNTS, stretch, tag=f"day{day:02d}", keep_ms=DAY_MS)
            kept.append((await store.figures()).reports_stored)
            await store.close()  # so that nothing is left in the write-ahead log
            sizes.append(database.stat().st_size / 1e6)

    asyncio.run(days())
    return {
        "kind": "growth",
        "round": 0,
        "per_day": per_day,
        "sizes_mb": sizes,
        "stored": kept,
        # A day's reports are there after the first, those of the day before until late in the next.
        "growth": sizes[-1] / sizes[1] - 1,
        "good": max(kept) < 2.5 * per_day,
    }


def losses(runs: Sequence[Run]) -> list[float]:
    """What retention takes of the throughput, in each round."""
    pairs = zip(of(runs, retention=True), of(runs, retention=False), strict=True)
    return [run["per_second"] / other["per_second"] - 1 for run, other in pairs]


_ROWS = (
    ("reports a second", "per_second", ",.0f"),
    ("accept p99, ms", "accept_ms_p99", ",.0f"),
    ("CPU µs a report: store process", "store_us_per_report", ",.1f"),
    ("removed for each that came", "removed_share", ".2f"),
)


def tables(runs: Sequence[Run]) -> Iterator[Table]:
    """For people."""
    groups = {
        "with retention": of(runs, retention=True),
        "without": of(runs, retention=False),
    }
    made = rows_of_medians("even, yesterday's reports falling due meanwhile", groups, _ROWS)
    made.add_row("  ratio", ", ".join(f"{loss:+.0%}" for loss in losses(runs)), "")
    yield made
    for run in of(runs, kind="growth"):
        days = table(f"{run['per_day']:,} reports a day, kept for one", "after day", "MB", "stored")
        for day, (size, kept) in enumerate(zip(run["sizes_mb"], run["stored"], strict=True)):
            days.add_row(str(day + 1), f"{size:,.1f}", f"{kept:,}")
        yield days


BENCHMARK = Benchmark(
    "retention", "Throughput while yesterday's data is removed, and growth.", measure, tables
)
