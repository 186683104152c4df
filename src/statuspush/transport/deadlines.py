"""Deadlines of many sends, checked every twentieth of a second.

An event-loop timer for each send would be exact but take 1.5 µs, nearly always to be cancelled.
Here a deadline takes 0.5 µs and fires at most 50 ms late, while customers' limits are in seconds.
"""

import asyncio
from typing import Final, Protocol

_TICKS_A_SECOND: Final = 20


class Expires(Protocol):
    """What has a deadline."""

    def expire(self) -> None:
        """The deadline has passed."""
        ...


class Deadlines:
    """Calls ``expire()`` on what is still here after its deadline, never before it."""

    def __init__(self) -> None:
        self._due: dict[int, set[Expires]] = {}
        self._looked_at = 0  # the last tick that was checked
        self._timer: asyncio.TimerHandle | None = None

    def add(self, waiting: Expires, deadline: float) -> int:
        """Watch ``waiting`` until this loop time.

        Returns:
            What :meth:`discard` needs to find it again.
        """
        if self._timer is None:
            self._looked_at = _tick(asyncio.get_running_loop().time())
            self._arm()
        # The first tick after the deadline; if that has passed, the next one.
        tick = max(_tick(deadline), self._looked_at) + 1
        due = self._due.get(tick)
        if due is None:
            self._due[tick] = {waiting}
        else:
            due.add(waiting)
        return tick

    def discard(self, waiting: Expires, tick: int) -> None:
        """Forget it, if it is still here."""
        due = self._due.get(tick)
        if due is not None:
            due.discard(waiting)
            if not due:
                del self._due[tick]

    def stop(self) -> None:
        """Stop expiring."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        at = (self._looked_at + 1) / _TICKS_A_SECOND
        self._timer = asyncio.get_running_loop().call_at(at, self._look)

    def _look(self) -> None:
        now = _tick(asyncio.get_running_loop().time())
        past = [tick for tick in self._due if tick <= now]
        self._looked_at = max(now, self._looked_at)
        for tick in sorted(past):
            for waiting in self._due.pop(tick, ()):
                waiting.expire()
        if self._due:
            self._arm()
        else:
            self._timer = None


def _tick(seconds: float) -> int:
    return int(seconds * _TICKS_A_SECOND)
