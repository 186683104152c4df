"""Samples a running service from outside, at little cost."""

import threading
from typing import Final

from statuspush.bench.processes import disk_waits, family, most_memory_mb, shared_memory_mb

_LOOK_SECONDS: Final = 0.01
_MEMORY_EVERY: Final = 20
"""Five times a second: the kernel takes a millisecond or more to add up a process's pages."""


class Sampler:
    """Samples a process and its descendants while it is entered."""

    def __init__(self, root: int) -> None:
        """:param root: its threads are the ones that may wait for the disk."""
        self._root = root
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._looks = 0
        self._waiting = 0
        self.peak_mb = 0.0
        """Most memory of all together (PSS) in any sample, in MB."""
        self.most_mb: dict[int, float] = {}
        """Peak memory of each process (VmHWM), in MB."""

    @property
    def disk_share(self) -> float:
        """The share of looks so far at which the first process waited for the disk, 0 to 1."""
        return self._waiting / max(self._looks, 1)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look_at_memory()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            self._waiting += disk_waits(self._root)
            self._looks += 1
            if self._looks % _MEMORY_EVERY == 0:
                self._look_at_memory()

    def _look_at_memory(self) -> None:
        pids = family(self._root)
        self.peak_mb = max(self.peak_mb, sum(map(shared_memory_mb, pids)))
        self.most_mb |= {pid: most_memory_mb(pid) for pid in pids}
