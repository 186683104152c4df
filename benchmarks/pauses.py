"""Pauses in accepting while upkeep runs, under a steady modest load.

``quiet`` submits fewer reports than the store sorts at once to an empty file, so that there is
neither sorting nor retention. ``upkeep`` submits at the same rate for longer to a file of which
yesterday's reports fall due meanwhile: runs are sorted, and old ones removed.
"""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from benchmarks import steady
from benchmarks.benchmark import Benchmark, Run, Setup, of, percentiles, rows_of_medians
from benchmarks.retention import Yesterday, stored, yesterday
from statuspush.bench.reports import Plan
from statuspush.bench.rig import running
from statuspush.bench.trial import EVEN
from statuspush.launch import DATABASE

_NAMES = EVEN.names
_ACCOUNTS = [name for name in _NAMES for _ in range(5)]
"""Each account five times: a request has five reports for each of 20 accounts."""
_REQUESTS_PER_SECOND = 100
_PER_REQUEST = 100
_QUIET_SECONDS = 6.0
_UPKEEP_SECONDS = 14.0
_LEAD_SECONDS = 12.0
_LONG_MS = 50.0


def measure(setup: Setup) -> Iterator[Run]:
    """The runs, both kinds in turn."""
    folder = Path(tempfile.mkdtemp(prefix="statuspush-pauses-", dir=setup.directory))
    rate = _REQUESTS_PER_SECOND * _PER_REQUEST
    try:
        setup.tell("pauses: making yesterday's file")
        # Never scaled: less would not be sorted at all.
        before = yesterday(folder, _NAMES, rate, 1.2 * _UPKEEP_SECONDS)
        for turn in range(setup.runs):
            setup.tell(f"pauses, run {turn + 1}: quiet")
            with _empty(folder) as empty:
                yield {"round": turn, "upkeep": False, **_run(empty, _QUIET_SECONDS)}
            setup.tell(f"pauses, run {turn + 1}: upkeep")
            with before.copied() as copy:
                yield {"round": turn, "upkeep": True, **_run(copy, _UPKEEP_SECONDS, before)}
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _empty(parent: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _run(folder: Path, seconds: float, before: Yesterday | None = None) -> Run:
    due = time.time() + _LEAD_SECONDS
    settings = before.retention(due) if before else {}
    with running(folder, _NAMES, settings) as rig:
        load = steady.submit(
            rig,
            Plan(_ACCOUNTS, _PER_REQUEST, "new"),
            rate=_REQUESTS_PER_SECOND,
            seconds=seconds,
            before=lambda: time.sleep(max(0.0, due - time.time()) if before else 0.0),
        )
        delivered = steady.wait_delivered(rig, load.requests * _PER_REQUEST, 60.0)
    reports = load.requests * _PER_REQUEST
    removed = (before.reports if before else 0) + reports - stored(folder / DATABASE)
    p50, p99, p999, most = percentiles([took * 1000 for took in load.took], 0.5, 0.99, 0.999, 1.0)
    return {
        "requests": load.requests,
        "accept_p50_ms": p50,
        "accept_p99_ms": p99,
        "accept_p999_ms": p999,
        "accept_max_ms": most,
        "over_50_ms": sum(took * 1000 > _LONG_MS for took in load.took),
        "removed": removed,
        "good": delivered and rig.exit_status == 0 and (removed > 0) == (before is not None),
    }


_ROWS = (
    ("requests of 100 reports", "requests", ",.0f"),
    ("accept p50, ms", "accept_p50_ms", ",.1f"),
    ("accept p99, ms", "accept_p99_ms", ",.1f"),
    ("accept p99.9, ms", "accept_p999_ms", ",.1f"),
    ("accept, most, ms", "accept_max_ms", ",.1f"),
    ("requests over 50 ms", "over_50_ms", ".0f"),
    ("reports removed meanwhile", "removed", ",.0f"),
)


def tables(runs: Sequence[Run]) -> Iterator[Table]:
    """For people."""
    groups = {
        "quiet": of(runs, upkeep=False),
        "sorting and retention": of(runs, upkeep=True),
    }
    title = f"accept time at {_REQUESTS_PER_SECOND * _PER_REQUEST:,} reports a second"
    yield rows_of_medians(title, groups, _ROWS)


BENCHMARK = Benchmark(
    "pauses", "Pauses in accepting while sorting and retention run.", measure, tables
)
