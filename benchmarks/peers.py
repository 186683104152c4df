"""One report a request and a push: statuspush beside what one would build instead, in turn.

The others are the baselines of :mod:`benchmarks.baselines`: Celery on Redis with requests, in
processes and in threads, and taskiq on Redis with aiohttp. All deliver to the same cheap customer
for the same number of accounts; runs alternate, and every report is reconciled.
"""

import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from benchmarks.baselines import broker, runner
from benchmarks.benchmark import Benchmark, Run, Setup, kinds, of, rows_of_medians
from statuspush.bench import trial
from statuspush.bench.trial import SINGLE

OURS = "statuspush"
CELERY = ("celery-prefork", "celery-threads")
TASKIQ = "taskiq"
_OUR_SECONDS = 8.0
_REPORTS = {"celery-prefork": 3000, "celery-threads": 4000, "taskiq": 10_000}
"""About eight seconds of each."""


def measure(setup: Setup) -> Iterator[Run]:
    """The runs: ours, then each of the others, and again."""
    setup.tell(f"peers: redis {broker.version()}")
    for turn in range(setup.runs):
        setup.tell(f"{OURS}, run {turn + 1}")
        yield {"round": turn, **_ours(setup)}
        for name in runner.BASELINES:
            setup.tell(f"{name}, run {turn + 1}")
            yield {"round": turn, **_baseline(name, setup)}


def _ours(setup: Setup) -> Run:
    folder = Path(tempfile.mkdtemp(prefix="statuspush-peers-", dir=setup.directory))
    try:
        figures = trial.run(replace(SINGLE, seconds=setup.seconds(_OUR_SECONDS)), folder)
    finally:
        shutil.rmtree(folder)
    return {
        "name": OURS,
        "reports": figures.reports,
        "per_second": figures.reports_per_second,
        "pushes_per_second": figures.pushes_per_second,
        "reports_per_push": figures.reports_per_push,
        "cpu_us_per_report": figures.cpu_us_per_report,
        "store_us_per_report": figures.store_us_per_report,
        "memory_mb": figures.memory_mb,
        "harness_of_machine": figures.harness_of_machine,
        "others_of_machine": figures.shares.others,
        "lost": figures.lost,
        "repeats": figures.repeats,
        "good": figures.good,
    }


def _baseline(name: str, setup: Setup) -> Run:
    result = runner.run(
        name,
        reports=setup.scaled(_REPORTS[name], least=200),
        accounts=SINGLE.accounts,
        directory=setup.directory,
    )
    return {
        "name": name,
        "reports": result.reports,
        "per_second": result.reports / result.seconds,
        "pushes_per_second": result.reports / result.seconds,
        "reports_per_push": 1.0,
        "cpu_us_per_report": result.cpu_us_per_report,
        "lost": result.lost,
        "repeats": result.repeats,
        "good": not (result.lost or result.misdirected),
    }


def faster_celery(runs: Sequence[Run]) -> str:
    """The name of the way to run Celery that has the higher median."""
    return max(CELERY, key=lambda name: _median(runs, name))


def ratio(runs: Sequence[Run], name: str) -> float:
    """Our median to that of another."""
    return _median(runs, OURS) / _median(runs, name)


def ratios(runs: Sequence[Run], name: str) -> list[float]:
    """Of each round, for the spread."""
    pairs = zip(of(runs, name=OURS), of(runs, name=name), strict=False)
    return [ours["per_second"] / other["per_second"] for ours, other in pairs]


def _median(runs: Sequence[Run], name: str) -> float:
    return statistics.median(float(run["per_second"]) for run in of(runs, name=name))


_ROWS = (
    ("reports, and pushes, a second", "per_second", ",.0f"),
    ("reports a push", "reports_per_push", ".2f"),
    ("CPU µs a report, broker included", "cpu_us_per_report", ",.0f"),
    ("lost", "lost", ".0f"),
)


def tables(runs: Sequence[Run]) -> Iterator[Table]:
    """For people."""
    names = kinds(runs, "name")
    made = rows_of_medians(
        "one report a request and a push", {name: of(runs, name=name) for name in names}, _ROWS
    )
    made.add_row(
        "  statuspush to it", "", *(f"{ratio(runs, name):.1f}" for name in names if name != OURS)
    )
    yield made


BENCHMARK = Benchmark(
    "peers", "Beside Celery + Redis + requests and taskiq + Redis + aiohttp.", measure, tables
)
