"""How much of the machine processes use, read from ``/proc``."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def family(root: int) -> list[int]:
    """A process and all its descendants, itself first."""
    found = [root]
    for pid in found:  # grows during the loop
        found.extend(_children(pid))
    return found


def _children(pid: int) -> Iterator[int]:
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            yield from map(int, (task / "children").read_text().split())


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:  # it has ended
        return []


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, user and system, including its ended children."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def wanted_seconds(pid: int) -> float:
    """Time for which the first thread of a process ran or waited for a core; 0 if unknown."""
    try:
        ran, waited, *_ = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
    except (OSError, ValueError):
        return 0.0
    return (int(ran) + int(waited)) / 1e9


def disk_waits(pid: int) -> bool:
    """Whether a thread of a process is waiting for the disk (state D)."""
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            if (task / "stat").read_text().rpartition(")")[2].split(None, 1)[0] == "D":
                return True
    return False


def shared_memory_mb(pid: int) -> float:
    """Memory of a process in MB, shared pages counted proportionally (PSS)."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") / 1024


def most_memory_mb(pid: int) -> float:
    """Peak memory of a process in MB, shared pages counted in full (VmHWM)."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmHWM:") / 1024


def _kilobytes(file: Path, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in file.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0


@dataclass(frozen=True)
class MachineTime:
    """Seconds of all our cores together since the machine was started."""

    busy: float
    """Busy, or taken by the host for other machines."""
    total: float

    def busy_share(self, before: "MachineTime") -> float:
        """The share of all cores that was busy since then, 0 to 1."""
        return min(1.0, (self.busy - before.busy) / max(self.total - before.total, 1e-9))


def machine_time() -> MachineTime:
    """The time until now of the cores that this process may use."""
    ours = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    busy = total = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *times = line.split()
        if name in ours:
            user, nice, system, idle, iowait, irq, softirq, steal = map(int, times[:8])
            used_up = user + nice + system + irq + softirq + steal
            busy += used_up
            total += used_up + idle + iowait
    return MachineTime(busy / _TICKS, total / _TICKS)


@dataclass(frozen=True)
class Usage:
    """What a process used in some time, in seconds."""

    pid: int
    cpu: float
    wanted: float
    """Its first thread ran or waited for a core; at least ``cpu``."""


def usage(pids: Iterable[int]) -> list[Usage]:
    """What each process has used since its start."""
    return [Usage(pid, cpu := cpu_seconds(pid), max(cpu, wanted_seconds(pid))) for pid in pids]


def used(now: Iterable[Usage], before: Iterable[Usage]) -> list[Usage]:
    """What each process has used in between; a new one began at 0."""
    known = {each.pid: each for each in before}
    none = Usage(0, 0.0, 0.0)
    return [
        Usage(
            each.pid,
            cpu := each.cpu - known.get(each.pid, none).cpu,
            max(cpu, each.wanted - known.get(each.pid, none).wanted),
        )
        for each in now
    ]
