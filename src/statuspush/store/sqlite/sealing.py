"""Sealing: sorts and writes what has gathered in memory, one step per call."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from statuspush.core.moment import Milliseconds
from statuspush.store.sqlite.commit import GroupCommit
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.push_index import DirectoryStep, PushIndex
from statuspush.store.sqlite.runs import (
    Run,
    new_run_id,
    sort_run,
    write_blocks,
    write_directory,
    write_run,
)
from statuspush.store.sqlite.sizes import Sizes

T = TypeVar("T")
TAIL_AGE: Final[Milliseconds] = 6 * 3_600_000
"""A tail older than this is sorted even if it is not full, so that retention can remove it."""
_ROWS: Final = 1000
"""Rows of a directory written in one commit."""
_BLOCKS: Final = 32
"""Blocks of a run written in one commit."""


class SealStep:
    """Writes a sorted run in steps: its directory, its blocks, and last the row that counts."""

    def __init__(self, connection: sqlite3.Connection, run: Run, column: int) -> None:
        self._connection = connection
        self.run = run
        self.column = column
        """The column of the filter over all runs that has the run's bits."""
        self._written = 0
        self._blocks_written = 0
        self.id: int | None = None

    @property
    def last(self) -> bool:
        """Whether the next step is the one that makes the run valid."""
        return self._written == len(self.run.directory) and self._blocks_written == len(
            self.run.blocks
        )

    def step(self, states: dict[int, AccountState], dirty: dict[AccountState, None]) -> bool:
        """Write the next part; False after the last one."""
        if self.id is None:
            self.id = new_run_id(self._connection)
        if rows := self.run.directory[self._written : self._written + _ROWS]:
            write_directory(self._connection, self.run.first_chunk, rows)
            # The next start no longer reads these rows to find next_seq, so that must be stored.
            for row in rows:
                if row.account in states:
                    dirty[states[row.account]] = None
            self._written += len(rows)
            return True
        if blocks := self.run.blocks[self._blocks_written : self._blocks_written + _BLOCKS]:
            write_blocks(self._connection, self.id, blocks)
            self._blocks_written += len(blocks)
            return True
        write_run(self._connection, self.id, self.run)
        return False


class Sealing:
    """Seals full tails, and recent pushes when there are many; sorting is done in a thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        log: ReportLog,
        index: PushIndex,
        dirty: dict[AccountState, None],
        sizes: Sizes,
    ) -> None:
        self._sizes = sizes
        self._connection = connection
        self._log = log
        self._index = index
        self._dirty = dirty
        self._run: SealStep | None = None
        self._pushes: DirectoryStep | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sort-run")

    def clear(self) -> None:
        """The memory was rebuilt from disk: drop what was sorted from the old one."""
        if self._run is not None:
            self._log.filter.give_back(self._run.column)
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

        def verb() -> bool:
            # If a commit failed while this waited, the tails were rebuilt: the run is not theirs.
            return self._run is not seal or seal.step(states, self._dirty)

        def after(more: bool) -> None:
            if not more:
                assert seal.id is not None
                self._log.adopt_run(seal.id, seal.run, seal.column)
                self._run = None

        await commit.run(verb, after)
        return True

    async def _sort_tail(self, now: Milliseconds) -> bool:
        oldest_at = self._log.tails[0].oldest_at
        if oldest_at is not None and now - oldest_at > TAIL_AGE and len(self._log.tails) == 1:
            self._log.close_tail()
        if len(self._log.tails) == 1:
            return False
        tail, filters = self._log.tails[0], self._log.filter

        def sort() -> tuple[Run, int]:
            run = sort_run(tail, self._sizes.filter_rows)
            return run, filters.prepare(run.marks)

        run, column = await self._in_thread(sort)
        if self._log.tails[0] is tail:
            self._run = SealStep(self._connection, run, column)
        else:  # a failed commit rebuilt them meanwhile
            filters.give_back(column)
        return True

    async def _seal_pushes(self, commit: GroupCommit) -> bool:
        seal = self._pushes
        if seal is None:
            return await self._sort_pushes()

        def verb() -> bool:
            return self._pushes is not seal or seal.step(_ROWS)

        def after(more: bool) -> None:
            if not more:
                seal.adopt(self._index)
                self._pushes = None

        await commit.run(verb, after)
        return True

    async def _sort_pushes(self) -> bool:
        recent = self._index.recent
        count = len(recent)
        if count < self._sizes.run_pushes:
            return False
        seal = await self._in_thread(lambda: DirectoryStep(self._connection, recent, count))
        if self._index.recent is recent:
            self._pushes = seal
        return True

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
