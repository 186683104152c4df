"""Answers an operator's question about a machine: how many reports per second, and the limit."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from statuspush.bench import machine, trial
from statuspush.bench.figures import Figures
from statuspush.bench.judge import Limit, limit_of
from statuspush.bench.machine import Syncs
from statuspush.bench.trial import Workload
from statuspush.core.errors import InputError

_BYTES_PER_SECOND: Final = 200 * 10**6
"""Size of database and journal for the fastest workload on a fast machine."""


@dataclass(frozen=True)
class Survey:
    """The results."""

    machine: dict[str, object]
    syncs: Syncs
    runs: list[Figures]

    @property
    def good(self) -> bool:
        """Nothing was lost or misdirected, and the service always stopped as it should."""
        return all(run.good for run in self.runs)

    @property
    def limits(self) -> list[Limit]:
        """The limit of each run."""
        return [limit_of(run.shares) for run in self.runs]

    def as_json(self) -> dict[str, object]:
        """Everything, for programs."""
        return {
            "good": self.good,
            "machine": self.machine,
            "fdatasync_ms": {"p50": round(self.syncs.p50, 3), "p99": round(self.syncs.p99, 3)},
            "works": {
                run.work: {"limit": limit.value, **run.as_json()}
                for run, limit in zip(self.runs, self.limits, strict=True)
            },
        }


def workloads(seconds: float) -> list[Workload]:
    """The workloads of a survey, each submitted for ``seconds``, with connections for all cores."""
    cores = machine.cores()
    return [
        replace(trial.EVEN, seconds=seconds, connections=max(16, 8 * cores)),
        replace(trial.LARGE, seconds=seconds, connections=max(16, 8 * cores)),
        replace(trial.SINGLE, seconds=seconds, connections=max(64, 32 * cores)),
    ]


def survey(
    directory: Path,
    seconds: float,
    phase: Callable[[Workload, str], None] = lambda workload, phase: None,
) -> Survey:
    """Run each workload for ``seconds`` in a directory below ``directory``, removed afterwards.

    ``phase`` is called as each phase begins; see :func:`statuspush.bench.trial.run`. Raises
    :class:`~statuspush.core.errors.InputError` when the directory has too little room, and
    :class:`~statuspush.core.errors.ServiceError` when a run fails.
    """
    _check_room(directory, seconds)
    syncs = machine.syncs(directory)
    runs = []
    for workload in workloads(seconds):
        folder = tempfile.mkdtemp(prefix="statuspush-bench-", dir=directory)
        try:
            runs.append(trial.run(workload, Path(folder), phase=partial(phase, workload)))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return Survey(machine.describe(directory), syncs, runs)


def _check_room(directory: Path, seconds: float) -> None:
    if not directory.is_dir():
        raise InputError(f"{directory} is not a directory")
    needed = seconds * _BYTES_PER_SECOND
    if shutil.disk_usage(directory).free < needed:
        raise InputError(
            f"{directory} needs {needed / 10**9:.1f} GB of free space for this; "
            "ask for fewer --seconds or another --directory"
        )
