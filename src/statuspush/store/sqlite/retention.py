"""Retention: runs of the log and pushes are removed from the old end, in bounded steps.

Each step is small enough to share a commit with accepting; killed between two steps, the next
process goes on where this one stopped.
"""

import sqlite3
from typing import Final

from statuspush.clock import Milliseconds
from statuspush.core.lifecycle import State
from statuspush.store import push_id
from statuspush.store.base import Swept
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.push_index import remove_entries
from statuspush.store.sqlite.pushes import Pushes

_DIRECTORY_STEP: Final = 1000
_CHUNK_STEP: Final = 500
_PUSH_STEP: Final = 1000


class Retention:
    """Does a step a call."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        pushes: Pushes,
        dirty: set[AccountState],
    ) -> None:
        self._connection = connection
        self._pushes = pushes
        self._dirty = dirty

    def step(
        self, states: dict[int, AccountState], keep_from: Milliseconds
    ) -> tuple[Swept, int | None]:
        """Remove one step's worth of what is older than ``keep_from``.

        The second value is a run of which nothing is left, once the step is committed.
        """
        removed = self._remove_pushes(states, keep_from)
        if removed:
            return Swept(more=True, pushes_removed=removed), None
        # Always the oldest run: a clock set back must not take the log apart in the middle.
        row = self._connection.execute(
            "SELECT newest_at, id, first_chunk, last_chunk FROM runs ORDER BY id LIMIT 1"
        ).fetchone()
        if row is None or row[0] >= keep_from:
            return Swept(more=False), None
        return self._remove_run(states, *row[1:])

    def _remove_pushes(self, states: dict[int, AccountState], keep_from: Milliseconds) -> int:
        rows = self._connection.execute(
            "SELECT id, account, state, count - superseded FROM pushes WHERE id < ?"
            " ORDER BY id LIMIT ?",
            (push_id.first_id_at(keep_from), _PUSH_STEP),
        ).fetchall()
        ended = []
        for push, account, shown, count in rows:
            state = states.get(account)
            final = State(shown)
            if final in (State.WAITING, State.SENDING) and state is not None:
                break  # goes with its reports, in the run
            ended.append(push)
            if state is not None:
                state.tallies[final].add(-count, -1)
                self._dirty.add(state)
        if ended:
            self._connection.execute("DELETE FROM attempts WHERE push <= ?", (ended[-1],))
            self._connection.execute("DELETE FROM pushes WHERE id <= ?", (ended[-1],))
            remove_entries(self._connection, ended[-1])
        return len(ended)

    def _remove_run(
        self, states: dict[int, AccountState], run: int, first_chunk: int, last_chunk: int
    ) -> tuple[Swept, int | None]:
        directory = self._connection.execute(
            "SELECT account, first_seq, end_seq FROM directory WHERE first_chunk = ? LIMIT ?",
            (first_chunk, _DIRECTORY_STEP),
        ).fetchall()
        if directory:
            expired = sum(
                self._expire(states[account], first, end)
                for account, first, end in directory
                if account in states
            )
            self._connection.executemany(
                "DELETE FROM directory WHERE account = ? AND first_seq = ?",
                [(account, first) for account, first, _ in directory],
            )
            return Swept(more=True, reports_expired=expired), None
        removed = self._connection.execute(
            "SELECT coalesce(sum(count), 0), max(id) FROM (SELECT id, count FROM chunks"
            " WHERE id <= ? ORDER BY id LIMIT ?)",
            (last_chunk, _CHUNK_STEP),
        ).fetchone()
        if removed[1] is not None:
            self._connection.execute("DELETE FROM chunks WHERE id <= ?", (removed[1],))
            return Swept(more=True, reports_removed=removed[0]), None
        self._connection.execute("DELETE FROM index_blocks WHERE run = ?", (run,))
        self._connection.execute("DELETE FROM runs WHERE id = ?", (run,))
        return Swept(more=True), run

    def _expire(self, state: AccountState, first: int, end: int) -> int:
        """Reports [first, end) of an account go; return how many of them still waited."""
        expired = 0
        for push in [p for p in state.under_way.values() if p.first_seq < end]:
            expired += self._pushes.expire(state, push)
        if state.cursor < end:
            if state.backlog:  # what came while the interface was off did not wait
                expired += end - max(state.cursor, first)
            state.cursor = end
        state.pull_cursor = max(state.pull_cursor, end)
        state.expired += expired
        self._dirty.add(state)
        return expired
