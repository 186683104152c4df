"""What the report measures, part after part, sized so that the whole takes about 45 minutes."""

import datetime
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks import (
    accounts,
    backlog,
    codec,
    duplicates,
    hung,
    latency,
    pauses,
    peers,
    retention,
    search,
    steps,
)
from benchmarks.baselines import broker
from benchmarks.benchmark import Run, Setup
from benchmarks.report.results import Result
from statuspush.bench import machine, trial

STORED = (0, 5_000_000, 10_000_000)
RATES = (200, 1000)
"""Reports a second of the table; measured in every round."""
CURVE = (100, 500, 2000, 3000, 5000)
"""Further ones of the chart."""
_CURVE_RUNS = 2
_SECONDS = 8.0


@dataclass(frozen=True)
class Part:
    """A part of the report."""

    name: str
    measure: Callable[[Setup], Iterator[Run]]
    runs: int


def _throughput(setup: Setup) -> Iterator[Run]:
    """Both works on files of each size, sizes in turn."""
    sizes = [setup.scaled(size) if size else 0 for size in STORED]
    for work in (trial.EVEN, trial.LARGE):
        timed = replace(work, seconds=setup.seconds(_SECONDS))
        files = setup.files(work.names)
        for turn in range(setup.runs):
            for size in sizes:
                setup.tell(f"throughput: {work.name}, {size:,} stored, run {turn + 1}")
                with files.folder(size) as folder:
                    figures = trial.run(timed, folder, tag=f"{work.name[0]}{turn:02d}")
                yield {
                    "round": turn,
                    "stored": size,
                    **figures.as_json(),
                    "good": figures.good and not figures.repeats,
                }


def _latency(setup: Setup) -> Iterator[Run]:
    for turn in range(setup.runs):
        for rate in RATES if turn >= _CURVE_RUNS else sorted((*RATES, *CURVE)):
            setup.tell(f"latency: {rate:,} a second, run {turn + 1}")
            found = latency.run(rate, directory=setup.directory)
            # Beyond what the machine can do, some may be on their way when the time is over.
            late = rate in CURVE and not found.misdirected
            good = not (found.lost or found.misdirected) or late
            yield {"round": turn, **asdict(found), "good": good}


PARTS: tuple[Part, ...] = (
    Part("throughput", _throughput, 5),
    Part("duplicates", duplicates.measure, 2),
    Part("search", search.measure, 3),
    Part("peers", peers.measure, 5),
    Part("accounts", accounts.measure, 3),
    Part("latency", _latency, 5),
    Part("backlog", backlog.measure, 3),
    Part("retention", retention.measure, 5),
    Part("pauses", pauses.measure, 4),
    Part("hung", hung.measure, 3),
    Part("steps", steps.measure, 3),
    Part("codec", codec.measure, 15),
)
"""In the order of measuring: those that share large files come first."""

_QUICK_SCALE = 0.02


def measured(part: Part, setup: Setup, *, quick: bool) -> Result:
    """Measure a part; ``quick`` is a small trial of it."""
    setup.runs = 1 if quick else part.runs
    setup.scale = _QUICK_SCALE if quick else 1.0
    described = machine.describe(setup.directory)
    if part.name == "peers":
        described["redis"] = broker.version()
    began = time.monotonic()
    date = datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()
    runs, broke_off = whole_rounds(part.measure(setup))
    seconds = round(time.monotonic() - began, 1)
    return Result(part.name, date, described, quick, seconds, runs, broke_off)


def whole_rounds(measuring: Iterator[Run]) -> tuple[list[Run], str]:
    """All runs; after an error those of the rounds before it, and what it was.

    Raises the error if there was no whole round: minutes of measuring are not to be lost to one
    run that failed.
    """
    runs: list[Run] = []
    try:
        runs.extend(measuring)
    except Exception as error:
        last = runs[-1]["round"] if runs else 0
        while runs and runs[-1]["round"] == last:
            runs.pop()
        if not runs:
            raise
        return runs, f"{type(error).__name__}: {error}"
    return runs, ""


def chosen(names: list[str]) -> list[Part]:
    """The parts of these names; all of them if there are none. Raises KeyError."""
    if not names:
        return list(PARTS)
    by_name = {part.name: part for part in PARTS}
    return [by_name[name] for name in names]


CHECKOUT = Path(__file__).parents[2]
