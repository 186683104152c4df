"""The thread that owns the inbox's file: many calls, one transaction, one fsync.

A separate thread, because callers come from event loops (ASGI) and from threads (WSGI) alike.
While one group is being written to disk, the next one gathers.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from statuspush.core.errors import ServiceError
from statuspush.storage.transactions import Transactions

T = TypeVar("T")


class InboxUnavailable(ServiceError):
    """Nothing can be stored at the moment (disk full, closing); the call stored nothing."""


class InboxFull(InboxUnavailable):
    """More is waiting to be written than may be held in memory."""


class InboxBroken(ServiceError):
    """It is unknown what the disk holds; everything is refused until a restart."""


class CallFailed(Exception):
    """A call has a defect, which is this error's cause; nothing of its group is stored."""

    def __init__(self, call: Any) -> None:
        super().__init__()
        self.call = call


class Work(Protocol):
    """What a writer does with the calls of a group."""

    def begin(self, calls: Sequence[Any]) -> Sequence[Any]:
        """Do them inside the open transaction; returns the result of each, in order.

        Raises :class:`CallFailed` if one raises an unexpected error.
        """

    def committed(self) -> None:
        """They are on disk: update the memory before anybody is answered."""

    def rolled_back(self) -> None:
        """They are not: return to what the disk holds."""


class Writer:
    """Runs calls in groups on a thread, and answers each after its group's fsync."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        work: Work,
        *,
        max_bytes: int,
        between: Callable[[], Callable[[], None] | None] = lambda: None,
    ) -> None:
        """Start the thread.

        :param max_bytes: limit on the sizes of calls that wait or are under way, together.
        :param between: asked between groups for work to do then. Any error in that work leaves it
            in doubt what is on the disk.
        """
        self._transactions = Transactions(connection, "the inbox")
        self._work = work
        self._between = between
        self._max_bytes = max_bytes
        self._calls: deque[tuple[Any, Future[Any], int]] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
        self._thread.start()

    def call(self, call: Any, size: int = 0) -> "Future[Any]":
        """Have a call done in the next group; the future is resolved once it is on disk.

        If the future fails with :class:`InboxUnavailable` or :class:`InboxBroken`, nothing of the
        call is stored. Raises these immediately if the call can't even be queued.
        """
        future: Future[Any] = Future()
        with self._changed:
            if self._transactions.broken is not None:
                raise InboxBroken(self._transactions.broken)
            if self._closing:
                raise InboxUnavailable("the inbox is closing")
            if self._waiting_bytes + size > self._max_bytes and self._waiting_bytes:
                raise InboxFull("too much is waiting to be written to disk")
            self._waiting_bytes += size
            self._calls.append((call, future, size))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Do what waits, then end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._calls or self._closing)
                group = list(self._calls)
                self._calls.clear()
            if not group:
                return
            self._group(group)
            self._do_between()
            with self._changed:
                self._waiting_bytes -= sum(size for _, _, size in group)

    def _do_between(self) -> None:
        if self._transactions.broken is not None:
            return
        try:
            if (between := self._between()) is not None:
                between()
        except sqlite3.Error as error:
            self._transactions.distrust(error)

    def _group(self, group: Sequence[tuple[Any, Future[Any], int]]) -> None:
        futures = [future for _, future, _ in group]
        if self._transactions.broken is not None:
            _fail(futures, InboxBroken(self._transactions.broken))
            return
        try:
            self._transactions.begin()
            results = self._work.begin([call for call, _, _ in group])
            self._transactions.commit()
        except sqlite3.Error as error:
            self._roll_back(error)
            _fail(futures, self._refusal(error))
            return
        except CallFailed as failed:
            self._roll_back(failed)
            mine = [future for call, future, _ in group if call is failed.call]
            _fail(mine, failed.__cause__ or failed)
            others = [future for call, future, _ in group if call is not failed.call]
            _fail(others, InboxUnavailable("a call of the same commit failed"))
            return
        except Exception as error:  # a defect of ours must not leave callers waiting
            self._roll_back(error)
            _fail(futures, error)
            return
        try:
            self._work.committed()
        except Exception as error:  # memory no longer matches the disk
            self._transactions.distrust(error)
        for future, result in zip(futures, results, strict=True):
            # Its caller may no longer be waiting; it is stored all the same.
            if future.set_running_or_notify_cancel():
                future.set_result(result)

    def _roll_back(self, error: Exception) -> None:
        self._transactions.roll_back(error)
        if self._transactions.broken is None:
            try:
                self._work.rolled_back()
            except sqlite3.Error as further:
                self._transactions.distrust(further)

    def _refusal(self, error: sqlite3.Error) -> ServiceError:
        broken = self._transactions.broken
        return InboxBroken(broken) if broken else InboxUnavailable(str(error))


def _fail(futures: Sequence["Future[Any]"], error: BaseException) -> None:
    for future in futures:
        if future.set_running_or_notify_cancel():
            future.set_exception(error)


Verb = Callable[[sqlite3.Connection], T]
"""A call that does its own reads and writes, inside the group's transaction."""
