"""The whole path: submitted over HTTP, stored durably, pushed, acknowledged, recorded.

The real service runs with its durable defaults beside a load generator and a cheap customer, each
a process of its own; at the end every sid is reconciled. Runs alternate between the sizes of the
file, so that the ratios of one command hold although the machine's speed changes meanwhile.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from benchmarks.prefill import Prefilled
from statuspush.bench import trial
from statuspush.bench.figures import Figures
from statuspush.bench.trial import Workload

WORKS = {
    work.name: work
    for work in (
        replace(trial.EVEN, requests=600),
        replace(trial.LARGE, requests=1200),
        replace(trial.SINGLE, requests=40_000),
        replace(trial.ZIPF, requests=500),
    )
}
"""The works by name, in their usual size."""
USUAL = tuple(WORKS)[:3]
"""Those that are measured unless others are named."""


@dataclass(frozen=True)
class Run:
    """One run."""

    work: str
    stored: int
    """Reports that were asked to be in the file before; ``figures`` tells how many were."""
    round: int
    """Runs of one round are compared with each other; counted from 0."""
    figures: Figures

    def as_json(self) -> dict[str, object]:
        """The run as a mapping."""
        return {"stored": self.stored, "round": self.round, **self.figures.as_json()}


def scaled(name: str, scale: float) -> Workload:
    """A work in a share of its usual size."""
    work = WORKS[name]
    return replace(work, requests=max(1, round((work.requests or 1) * scale)))


def measure(
    works: Sequence[Workload], *, stored: Sequence[int], runs: int, directory: Path
) -> Iterator[Run]:
    """Run each work ``runs`` times on a file of each size, the sizes in turn.

    Files are made once for works with the same accounts, and removed with the last of them.
    """
    # EVEN and SINGLE have the same accounts.
    ordered = sorted(works, key=lambda work: -work.accounts)
    for _, group in groupby(ordered, key=lambda work: work.names):
        same = list(group)
        with contextlib.closing(Prefilled(directory, same[0].names)) as files:
            for work in same:
                for turn in range(runs):
                    yield from _round(work, stored, turn, files)


def _round(work: Workload, stored: Sequence[int], turn: int, files: Prefilled) -> Iterator[Run]:
    for size in stored:
        with files.folder(size) as folder:
            print(f"{work.name}, {size:,} stored, run {turn + 1}", file=sys.stderr)
            # The tag differs by work and round, as a large file is used again.
            figures = trial.run(work, folder, tag=f"{work.name[0]}{turn:02d}")
        yield Run(work.name, size, turn, figures)
