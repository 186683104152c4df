"""The machine that a figure was measured on."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SYNCS: Final = 200


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Syncs:
    """How long the disk takes to make 4 kB durable, in milliseconds."""

    p50: float
    p99: float


def syncs(directory: Path) -> Syncs:
    """Write 4 kB and fdatasync in a directory, repeatedly for about a tenth of a second."""
    times = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            os.write(file.fileno(), bytes(4096))
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return Syncs(p50=statistics.median(times), p99=times[int(len(times) * 0.99)])


def describe(directory: Path) -> dict[str, object]:
    """The machine in a few words; ``directory`` is where the database is."""
    return {
        "cpu": _cpu_model(),
        "cores": cores(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "fdatasync_ms": round(syncs(directory).p50, 3),
    }
