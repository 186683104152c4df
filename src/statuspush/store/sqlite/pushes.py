"""Pushes: their rows, and what is in memory of those under way.

The memory decides (hot.py) and the rows follow, a few statements for all pushes of a call,
inside the caller's transaction. What may be done to pushes is in claims.py, outcomes.py and
redrive.py.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace

from statuspush.clock import Milliseconds
from statuspush.core.contract import Mode
from statuspush.core.lifecycle import State
from statuspush.store import push_id
from statuspush.store.base import Attempt
from statuspush.store.sqlite.hot import AccountState, PushUnderWay
from statuspush.store.sqlite.push_index import PushIndex

Update = tuple[object, ...]
"""Values for :meth:`Pushes.update`."""


class Pushes:
    """The pushes of all accounts.

    :param dirty: accounts whose progress is to be written before the commit.
    """

    def __init__(self, connection: sqlite3.Connection, dirty: set[AccountState]) -> None:
        self._connection = connection
        self.dirty = dirty
        self.claimed: dict[str, tuple[AccountState, PushUnderWay]] = {}
        """Pushes being sent, by the id as it is shown."""
        self.index = PushIndex()
        self.last_token = 0
        """Of a claim; each is higher than all before."""
        self._last_id = 0
        self._now: Milliseconds = 0

    def load(self, states: Iterable[AccountState]) -> None:
        """Adopt what was read from disk."""
        self._last_id = self._connection.execute(
            "SELECT coalesce(max(id), 0) FROM pushes"
        ).fetchone()[0]
        self._now = 0
        self.index.load(self._connection)
        before, self.claimed = self.claimed, {}
        for state in states:
            for push in state.under_way.values():
                if push.token is not None:
                    push.shown = push_id.show(push.id)
                    self.claimed[push.shown] = (state, push)
                    known = before.get(push.shown)
                    if known is not None and known[1].token == push.token:
                        push.url = known[1].url

    @property
    def last_id(self) -> int:
        """The highest id given so far."""
        return self._last_id

    def trust(self, state: AccountState) -> None:
        """A person says that the endpoint is well: that holds until a later claim's outcome."""
        state.trusted_since = self.last_token
        self.dirty.add(state)

    def new_id(self, now: Milliseconds) -> int:
        """The id of a push created now."""
        if now > self._now:
            self._now = now
            self._last_id = max(self._last_id, push_id.first_id_at(now) - 1)
        self._last_id += 1
        return self._last_id

    # rows

    def insert(self, pushes: Sequence[PushUnderWay], state: State, due: bool = True) -> None:
        """Write rows of new pushes."""
        rows = [
            (
                push.id,
                push.account,
                push.first_seq,
                push.count,
                state,
                push.attempts,
                push.failures,
                push.accepted_at,
                push.due_at if due else None,
                push.token,
                push.claimed_until or None,
                push.redrive_of,
            )
            for push in pushes
        ]
        self._connection.executemany(
            "INSERT INTO pushes (id, account, first_seq, count, state, attempts, failures,"
            " accepted_at, due_at, token, claimed_until, redrive_of)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        self.index.recent.add(rows)

    def update(self, updates: Iterable[Update]) -> None:
        """Write what :meth:`wait` and :meth:`end` gave."""
        self._connection.executemany(
            "UPDATE pushes SET state = ?, count = ?, attempts = ?, failures = ?, due_at = ?,"
            " delivered_at = ?, token = NULL, claimed_until = NULL WHERE id = ?",
            updates,
        )

    def insert_attempts(self, attempts: Iterable[tuple[int, Attempt]]) -> None:
        """Write attempts of pushes."""
        self._connection.executemany(
            "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    push,
                    attempt.number,
                    attempt.started_at,
                    attempt.duration_ms,
                    attempt.verdict.outcome,
                    attempt.verdict.http_status,
                    attempt.verdict.answer,
                    attempt.verdict.detail,
                    attempt.reports,
                )
                for push, attempt in attempts
            ],
        )

    # changes

    def add_waiting(self, state: AccountState, pushes: Sequence[PushUnderWay]) -> None:
        """Write new pushes that wait, and queue their account."""
        self.insert(pushes, State.WAITING)
        for push in pushes:
            state.put(push)
        self.dirty.add(state)

    def free(self, state: AccountState, push: PushUnderWay) -> None:
        """Take the claim from a push."""
        del self.claimed[push.shown]
        push.token, push.claimed_until = None, 0
        state.in_flight -= 1
        self.dirty.add(state)

    @staticmethod
    def wait(state: AccountState, push: PushUnderWay) -> Update:
        """Let a push wait until it is due."""
        state.put(push)
        return (State.WAITING, push.count, push.attempts, push.failures, push.due_at, None, push.id)

    @staticmethod
    def end(
        state: AccountState,
        push: PushUnderWay,
        final: State,
        delivered_at: Milliseconds | None = None,
    ) -> Update:
        """Let a push be in a final state."""
        del state.under_way[push.id]
        state.tallies[final].add(push.count)
        return (final, push.count, push.attempts, push.failures, None, delivered_at, push.id)

    def supersede(self, overtaken: Iterable[tuple[AccountState, State, int, int]]) -> None:
        """So many reports of (account, final state, push) are in newer pushes from now on.

        They are counted there, so that each report is counted once.
        """
        rows = []
        for state, final, push, reports in overtaken:
            state.tallies[final].add(-reports, 0)
            self.dirty.add(state)
            rows.append((reports, push))
        self._connection.executemany(
            "UPDATE pushes SET superseded = superseded + ? WHERE id = ?", rows
        )

    def forget(self, state: AccountState) -> None:
        """Drop all claims and waiting pushes of an account that is deleted."""
        for push in state.under_way.values():
            self.claimed.pop(push.shown, None)
        state.settings = replace(state.settings, mode=Mode.OFF)  # it may still be queued
        state.under_way.clear()
        state.drop_waiting()

    def expire(self, state: AccountState, pushes: Sequence[PushUnderWay]) -> None:
        """Drop pushes that wait, because retention removes all their reports."""
        for push in pushes:
            del state.under_way[push.id]
        ids = [(push.id,) for push in pushes]
        self._connection.executemany("DELETE FROM attempts WHERE push = ?", ids)
        self._connection.executemany("DELETE FROM pushes WHERE id = ?", ids)

    def shorten(self, pushes: Sequence[PushUnderWay]) -> None:
        """Write where pushes begin from which retention took the first reports."""
        # The index keeps where they began before, which is near enough to find them.
        self._connection.executemany(
            "UPDATE pushes SET first_seq = ?, count = ?, accepted_at = ? WHERE id = ?",
            [(push.first_seq, push.count, push.accepted_at, push.id) for push in pushes],
        )

    # switching off

    def cancel_all(self, state: AccountState, now: Milliseconds) -> None:
        """Cancel every waiting push of an account, and cover what is not cut yet."""
        waiting = [push for push in state.under_way.values() if push.token is None]
        for push in waiting:
            self.end(state, push, State.CANCELLED)
        state.drop_waiting()
        self._connection.executemany(
            "UPDATE pushes SET state = 'cancelled', due_at = NULL WHERE id = ?",
            [(push.id,) for push in waiting],
        )
        self.cover(state, now)

    def cover(self, state: AccountState, now: Milliseconds) -> None:
        """One cancelled push over all reports that are in none: nothing is sent by itself."""
        count = state.next_seq - state.cursor
        self.dirty.add(state)
        if not count:
            return
        push = PushUnderWay(
            id=self.new_id(now),
            account=state.id,
            first_seq=state.cursor,
            count=count,
            attempts=0,
            failures=0,
            accepted_at=now,
            due_at=0,
        )
        self.insert([push], State.CANCELLED, due=False)
        state.tallies[State.CANCELLED].add(count)
        state.cursor = state.next_seq
