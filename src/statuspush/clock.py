"""Time as an argument: the clocks that are passed around."""

import time
from typing import Protocol

from statuspush.core.moment import Milliseconds


class Clock(Protocol):
    """Where the flow gets the time from; tests pass one that they turn by hand."""

    def now(self) -> Milliseconds:
        """Time for schedules and records."""
        ...


class WallClock(Clock, Protocol):
    """A clock that also knows how far it is from the machine's clock."""

    def skew(self) -> Milliseconds:
        """How far the wall clock has drifted from this one since the start."""
        ...


class SteadyClock:
    """Wall time at start plus time elapsed since, whatever happens to the wall clock.

    A wall clock that is set back or forward by an hour must not delay a retry or send it early
    (the contract's five minutes are elapsed minutes), so only the start is read from it. Time
    in which the machine was suspended counts. A restart adopts the corrected wall clock.
    """

    def __init__(self, start_ns: int | None = None) -> None:
        """:param start_ns: :attr:`start_ns` of another process's clock, to show the same time."""
        self.start_ns = time.time_ns() - self._elapsed_ns() if start_ns is None else start_ns
        """When the machine was started, by the wall clock at our start, in nanoseconds."""

    @staticmethod
    def _elapsed_ns() -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def now(self) -> Milliseconds:
        """Milliseconds since the epoch, never going back within a process."""
        return (self.start_ns + self._elapsed_ns()) // 1_000_000

    def skew(self) -> Milliseconds:
        """How far the wall clock has drifted from this one since the start."""
        return time.time_ns() // 1_000_000 - self.now()
