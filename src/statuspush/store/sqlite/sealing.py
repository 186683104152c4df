"""Sealing: what has gathered in memory is sorted and written behind the log, a step a call."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from statuspush.clock import Milliseconds
from statuspush.store.sqlite import push_index
from statuspush.store.sqlite.commit import GroupCommit
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.push_index import DirectoryStep, PushIndex
from statuspush.store.sqlite.runs import Run, sort_run, write_directory, write_run

T = TypeVar("T")
TAIL_AGE: Final[Milliseconds] = 6 * 3_600_000
"""A tail older than this is sorted although it is not full, so that retention can take it."""
_ROWS: Final = 1000
"""Rows of a directory written in one commit."""


class SealStep:
    """Writes a sorted run in steps: its directory first, what makes it count last."""

    def __init__(self, connection: sqlite3.Connection, run: Run) -> None:
        self._connection = connection
        self.run = run
        self._written = 0
        self.id: int | None = None

    def step(self, states: dict[int, AccountState], dirty: set[AccountState]) -> bool:
        """Write the next part; False after the last one."""
        rows = self.run.directory[self._written : self._written + _ROWS]
        if rows:
            write_directory(self._connection, self.run.first_chunk, rows)
            # The rows of the log behind next_seq will not be read again at the next start.
            dirty.update(states[row.account] for row in rows if row.account in states)
            self._written += len(rows)
            return True
        self.id = write_run(self._connection, self.run)
        return False


class Sealing:
    """Seals full tails, and recent pushes when they are many; sorting is done in a thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        log: ReportLog,
        index: PushIndex,
        dirty: set[AccountState],
    ) -> None:
        self._connection = connection
        self._log = log
        self._index = index
        self._dirty = dirty
        self._run: SealStep | None = None
        self._pushes: DirectoryStep | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sort-run")

    def clear(self) -> None:
        """The memory was rebuilt from disk: what was sorted is of the one before."""
        self._run = self._pushes = None

    def close(self) -> None:
        """Wait for the thread."""
        self._thread.shutdown()

    async def step(
        self, commit: GroupCommit, states: dict[int, AccountState], now: Milliseconds
    ) -> bool:
        """Do one step; False if there is nothing to do."""
        return await self._seal_tail(commit, states, now) or await self._seal_pushes(commit)

    async def _seal_tail(
        self, commit: GroupCommit, states: dict[int, AccountState], now: Milliseconds
    ) -> bool:
        seal = self._run
        if seal is None:
            return await self._sort_tail(now)
        if not await commit.run(lambda: seal.step(states, self._dirty)):
            assert seal.id is not None
            self._log.adopt_run(seal.id, seal.run)
            self._run = None
        return True

    async def _sort_tail(self, now: Milliseconds) -> bool:
        oldest_at = self._log.tails[0].oldest_at
        if oldest_at is not None and now - oldest_at > TAIL_AGE and len(self._log.tails) == 1:
            self._log.close_tail()
        if len(self._log.tails) == 1:
            return False
        tail = self._log.tails[0]
        run = await self._in_thread(lambda: sort_run(tail))
        if self._log.tails[0] is tail:  # else a failed commit rebuilt them meanwhile
            self._run = SealStep(self._connection, run)
        return True

    async def _seal_pushes(self, commit: GroupCommit) -> bool:
        seal = self._pushes
        if seal is None:
            return await self._sort_pushes()
        if not await commit.run(lambda: seal.step(_ROWS)):
            seal.adopt(self._index)
            self._pushes = None
        return True

    async def _sort_pushes(self) -> bool:
        recent = self._index.recent
        count = len(recent)
        if count < push_index.RUN_PUSHES:
            return False
        seal = await self._in_thread(lambda: DirectoryStep(self._connection, recent, count))
        if self._index.recent is recent:
            self._pushes = seal
        return True

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
