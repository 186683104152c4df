"""Group commit: many verbs, one transaction, one fsync.

Statements run on the event loop's thread, and only COMMIT runs in a separate thread. If the
statements ran in a thread, each would have to ask for the interpreter lock again, and wait up to a
switch interval for it while the loop is busy: measured, 1,000 inserts take twice as long, and up
to 2 s where the other core is free (docs/design.md).
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from statuspush.core.errors import InputError
from statuspush.storage.transactions import Transactions
from statuspush.store.base import StoreBroken, StoreUnavailable
from statuspush.store.sqlite.commit_thread import CommitThread
from statuspush.telemetry import Telemetry

T = TypeVar("T")
_log = structlog.get_logger("store")

_SLICE_SECONDS = 0.005
"""Work of a group after which other tasks of the loop get a turn."""
_GROUP_SECONDS = 0.030
"""Work of a group after which it is committed, however many verbs wait."""
_RAISED = object()
"""Marks the result of a verb that raised an unexpected error."""


@dataclass(slots=True)
class _Verb:
    run: Callable[[], Any]
    future: asyncio.Future[Any]
    after: Callable[[Any], None] | None


class GroupCommit:
    """Runs verbs inside grouped transactions and answers each after its group's fsync.

    A verb that raises :class:`InputError` must have changed nothing; it fails alone. Any
    database failure fails the whole group: it is rolled back, and ``reload`` rebuilds the memory
    from the disk. So does a defect in a verb, which gets its own error. Anything else that happens
    to the writer breaks the store: nobody is left waiting for an answer.

    :param before_commit: writes what the verbs left dirty in memory, in the same transaction.
    :param reload: rebuilds the hot state from disk after a roll-back.
    :param probe_seconds: after a failed commit nothing is tried for this long; then one harmless
        write decides.
    :param between: asked between groups; what it returns is run in the commit thread, before
        the connection is used again. Any error in it breaks the store.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        telemetry: Telemetry,
        *,
        before_commit: Callable[[], None],
        reload: Callable[[], None],
        between: Callable[[], Callable[[], None] | None],
        probe_seconds: float,
    ) -> None:
        self._probe_seconds = probe_seconds
        self._connection = connection
        self._transactions = Transactions(connection, "the database")
        self._telemetry = telemetry
        self._before_commit = before_commit
        self._reload = reload
        self._between = between
        self._verbs: deque[_Verb] = deque()
        self._group_verbs: list[tuple[_Verb, Any]] = []
        self._arrived = asyncio.Event()
        self._thread = CommitThread()
        self._failed_at: float | None = None
        self._failure = ""
        self._closing = False
        self._task = asyncio.create_task(self._run(), name="group-commit")
        self._task.add_done_callback(self._ended)

    async def run(self, verb: Callable[[], T], after: Callable[[T], None] | None = None) -> T:
        """Run ``verb`` in the next group; return its result once it is on disk.

        :param after: takes the result into memory once the group is committed, before any
            caller of the group is answered and before anything else is written.
        """
        if self._transactions.broken is not None:
            raise StoreBroken(self._transactions.broken)
        if self._closing:
            raise StoreUnavailable("the store is closing")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._verbs.append(_Verb(verb, future, after))
        self._arrived.set()
        return await future

    async def close(self) -> None:
        """Commit what waits, then stop."""
        self._closing = True
        self._arrived.set()
        await asyncio.wait([self._task])
        self._thread.end()

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._verbs:
                try:
                    await self._group()
                    await self._run_between()
                    # Callers that were answered ask for more: that joins the next group.
                    await asyncio.sleep(0)
                except Exception as error:
                    _log.exception("the writer failed unexpectedly")
                    self._break(error)
                    self._fail_all()
            if self._closing:
                return

    def _ended(self, _: asyncio.Task[None]) -> None:
        """The last resort: if the writer is gone, nobody is left waiting."""
        if self._closing and not self._verbs and not self._group_verbs:
            return
        self._break("the writer has ended")
        self._fail_all()

    def _fail_all(self) -> None:
        refusal = self._refusal()
        for verb, _ in self._group_verbs:
            _fail(verb, refusal)
        self._group_verbs = []
        while self._verbs:
            _fail(self._verbs.popleft(), refusal)

    async def _run_between(self) -> None:
        between = self._between() if self._transactions.broken is None else None
        if between is not None:
            await self._thread.run(between)

    async def _group(self) -> None:
        if self._transactions.broken is not None or not self._probe():
            self._fail_all()
            return
        done: list[tuple[_Verb, Any]] = []
        self._group_verbs = done
        started = time.perf_counter()
        try:
            self._transactions.begin()
            before = self._connection.total_changes
            await self._execute(done, started)
            self._before_commit()
            written = self._connection.total_changes != before
            if not written:  # no need to wait for the disk
                self._transactions.roll_back()
            else:
                await self._thread.run(self._transactions.commit)
        except sqlite3.Error as error:
            self._failed(error)
            self._answer_failed(done)
            return
        except StoreBroken as error:
            self._transactions.roll_back()
            self._break(error)
            self._fail_all()
            return
        except Exception as error:  # a defect of ours must not take the writer down with it
            _log.exception("a call failed unexpectedly")
            self._transactions.roll_back()
            self._rebuild("a call failed unexpectedly; nothing of its group is stored")
            self._answer_failed(done, error)
            return
        for verb, result in done:
            if verb.after is not None:
                verb.after(result)
        self._group_verbs = []
        if written:
            self._telemetry.commit(time.perf_counter() - started, len(done))
        for verb, result in done:
            if not verb.future.done():
                verb.future.set_result(result)

    def _answer_failed(
        self, done: Sequence[tuple[_Verb, Any]], error: Exception | None = None
    ) -> None:
        """Tell a group that nothing of it is stored; the verb with a defect gets its error."""
        refusal = self._refusal()
        for verb, result in done:
            _fail(verb, error if error is not None and result is _RAISED else refusal)
        self._group_verbs = []

    async def _execute(self, done: list[tuple[_Verb, Any]], started: float) -> None:
        turn = started
        while self._verbs:
            verb = self._verbs.popleft()
            if verb.future.cancelled():
                continue
            try:
                result = verb.run()
            except InputError as error:
                _fail(verb, error)
                continue
            except Exception:
                done.append((verb, _RAISED))  # the caller fails it with its group
                raise
            done.append((verb, result))
            now = time.perf_counter()
            if now - started > _GROUP_SECONDS:
                return
            if now - turn > _SLICE_SECONDS and self._verbs:
                await asyncio.sleep(0)
                turn = time.perf_counter()

    def _probe(self) -> bool:
        """Whether commits may be tried; after a failure, a write without effect finds out."""
        if self._failed_at is None:
            return True
        if time.monotonic() - self._failed_at < self._probe_seconds:
            return False
        try:
            # As much as a group may need, so that passing means that the next group fits.
            self._transactions.begin()
            self._connection.execute(
                "INSERT OR REPLACE INTO secrets VALUES ('probe', zeroblob(262144))"
            )
            self._transactions.commit()
            self._connection.execute("DELETE FROM secrets WHERE name = 'probe'")
        except sqlite3.Error as error:
            self._roll_back(error)
            self._failed_at = time.monotonic()
            self._failure = str(error)
            return False
        self._failed_at = None
        _log.info("store works again")
        return True

    def _failed(self, error: sqlite3.Error) -> None:
        self._roll_back(error)
        if self._transactions.broken is None:
            _log.error("commit failed, nothing of it is stored", error=str(error))
        self._rebuild(str(error))

    def _rebuild(self, failure: str) -> None:
        """Return to what is on disk, then pause; the pause starts when that is done."""
        self._failure = failure
        if self._transactions.broken is None:
            self._reload()
        self._failed_at = time.monotonic()

    def _break(self, error: Exception | str) -> None:
        self._transactions.distrust(error)
        self._say_if_broken()

    def _refusal(self) -> StoreBroken | StoreUnavailable:
        broken = self._transactions.broken
        return StoreBroken(broken) if broken else StoreUnavailable(self._failure)

    def _roll_back(self, error: sqlite3.Error) -> None:
        self._transactions.roll_back(error)
        self._say_if_broken()

    def _say_if_broken(self) -> None:
        if self._transactions.broken is not None:
            _log.critical(
                "store is broken; refusing every write until a restart",
                error=self._transactions.broken,
            )


def _fail(verb: _Verb, error: Exception) -> None:
    if not verb.future.done():
        verb.future.set_exception(error)
