"""What machine a figure was measured on."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def sync_ms(directory: Path) -> float:
    """Median milliseconds of writing 4 kB and fdatasync in a directory."""
    times = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(200):
            began = time.perf_counter()
            os.write(file.fileno(), bytes(4096))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def describe(directory: Path) -> dict[str, object]:
    """The machine in a few words; ``directory`` is where the database is."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "fdatasync_ms": round(sync_ms(directory), 3),
    }
