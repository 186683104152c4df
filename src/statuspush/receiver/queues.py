"""Where a handler takes its next report from: one queue for all, or one per account."""

from collections import deque
from typing import Protocol, TypeVar

T = TypeVar("T")


class Queue(Protocol[T]):
    """Items that were read and wait to be handled."""

    def add(self, account: str, item: T) -> None:
        """Add at the end."""

    def take(self) -> T | None:
        """The next one that may be handled now."""

    def release(self, account: str) -> bool:
        """A taken item is done; True if another one may be taken for it."""

    def __len__(self) -> int:
        """How many wait."""


class OneLine(Queue[T]):
    """In the order of arrival, as many concurrently as are asked for."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._items: deque[T] = deque()

    def add(self, account: str, item: T) -> None:
        self._items.append(item)

    def take(self) -> T | None:
        return self._items.popleft() if self._items else None

    def release(self, account: str) -> bool:
        return False

    def __len__(self) -> int:
        return len(self._items)


class LineEach(Queue[T]):
    """In the order of arrival within an account, one of each account at a time."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._lines: dict[str, deque[T]] = {}
        """Of accounts that something waits or is being handled of."""
        self._free: deque[str] = deque()
        """Those of them of which the next one may be taken."""
        self._waiting = 0

    def add(self, account: str, item: T) -> None:
        line = self._lines.get(account)
        if line is None:
            line = self._lines[account] = deque()
            self._free.append(account)
        line.append(item)
        self._waiting += 1

    def take(self) -> T | None:
        if not self._free:
            return None
        self._waiting -= 1
        return self._lines[self._free.popleft()].popleft()

    def release(self, account: str) -> bool:
        if self._lines[account]:
            self._free.append(account)
            return True
        del self._lines[account]
        return False

    def __len__(self) -> int:
        return self._waiting
