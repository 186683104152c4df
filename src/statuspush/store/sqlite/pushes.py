"""Rows of pushes and attempts, written with a few statements for all pushes of a call.

The core decides (core/push.py); the memory (hot.py) and the rows follow, inside the caller's
transaction.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from statuspush.core.lifecycle import State
from statuspush.core.moment import Milliseconds
from statuspush.core.push import Attempt, Push, covered, switched_off
from statuspush.core.standing import Standing, trusted
from statuspush.store import push_id
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.push_index import PushIndex

_ATTEMPT = "started_at, duration_ms, outcome, http_status, answer, detail, reports_sent"


class Pushes:
    """The pushes of all accounts.

    :param dirty: accounts whose progress is to be written before the commit.
    """

    def __init__(
        self, connection: sqlite3.Connection, dirty: dict[AccountState, None], index: PushIndex
    ) -> None:
        self._connection = connection
        self._dirty = dirty
        self.claimed: dict[str, tuple[AccountState, Push]] = {}
        """Pushes being sent, by their shown id."""
        self.index = index
        self._last_token = 0
        self._last_id = 0
        self._now: Milliseconds = 0

    def load(self, states: Iterable[AccountState]) -> None:
        """Take over what was read from disk."""
        self._last_id = self._connection.execute(
            "SELECT coalesce(max(id), 0) FROM pushes"
        ).fetchone()[0]
        self._now = 0
        self.index.load(self._connection)
        before, self.claimed = self.claimed, {}
        for state in states:
            for push in state.under_way.values():
                if push.token is None:
                    continue
                shown = push_id.show(push.id)
                known = before.get(shown)
                # The URL of a push being sent is known only in this process, not on disk.
                url = known[1].url if known and known[1].token == push.token else None
                self.claimed[shown] = (state, replace(push, url=url))

    @property
    def last_id(self) -> int:
        """The highest id given so far."""
        return self._last_id

    def new_id(self, now: Milliseconds) -> int:
        """The id of a push created now."""
        if now > self._now:
            self._now = now
            self._last_id = max(self._last_id, push_id.first_id_at(now) - 1)
        self._last_id += 1
        return self._last_id

    def new_token(self, now: Milliseconds) -> int:
        """The token of a claim made now: higher than all before, even those of other processes."""
        self._last_token = max(self._last_token + 1, push_id.first_id_at(now))
        return self._last_token

    def touched(self, state: AccountState) -> None:
        """The progress of the account is to be written before the commit."""
        self._dirty[state] = None

    def stand(self, state: AccountState, standing: Standing) -> None:
        """Set the standing of an account's endpoint."""
        state.progress.standing = standing
        self.touched(state)

    def trust(self, state: AccountState) -> None:
        """A person says that the endpoint works."""
        self.stand(state, trusted(state.standing, self._last_token))

    # rows

    def insert(self, pushes: Sequence[Push]) -> None:
        """Write rows of new pushes."""
        rows = [
            (
                push.id,
                push.account,
                push.first_seq,
                push.count,
                push.state,
                push.attempts,
                push.failures,
                push.accepted_at,
                push.due_at if push.state is not State.CANCELLED else None,
                push.token,
                push.claimed_until or None,
                push.redrive_of,
                push.owner or None,
            )
            for push in pushes
        ]
        self._connection.executemany(
            "INSERT INTO pushes (id, account, first_seq, count, state, attempts, failures,"
            " accepted_at, due_at, token, claimed_until, redrive_of, owner)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        self.index.recent.add(rows)

    def add_waiting(self, state: AccountState, pushes: Sequence[Push]) -> None:
        """Write new waiting pushes."""
        self.insert(pushes)
        for push in pushes:
            state.put(push)
        self.touched(state)

    def write_claims(self, pushes: Iterable[Push]) -> None:
        """Write the claims of pushes that waited."""
        self._connection.executemany(
            "UPDATE pushes SET state = ?, count = ?, token = ?, claimed_until = ?, owner = ?"
            " WHERE id = ?",
            [(p.state, p.count, p.token, p.claimed_until, p.owner, p.id) for p in pushes],
        )

    def write_returns(self, pushes: Iterable[Push]) -> None:
        """Write pushes whose claims were given back without an attempt."""
        self._connection.executemany(
            "UPDATE pushes SET state = ?, due_at = ?, token = NULL, claimed_until = NULL,"
            " owner = NULL WHERE id = ?",
            [(p.state, p.due_at if p.state is State.WAITING else None, p.id) for p in pushes],
        )

    def write_outcomes(self, recorded: Sequence[tuple[Push, Attempt]]) -> None:
        """Write pushes after an attempt, the attempt in the push's row."""
        again = [(push.id,) for push, _ in recorded if push.attempts > 1]
        if again:
            self._connection.executemany(
                f"INSERT INTO attempts SELECT id, attempts, {_ATTEMPT} FROM pushes"
                " WHERE id = ? AND outcome IS NOT NULL",
                again,
            )
        self._connection.executemany(
            "UPDATE pushes SET state = ?, attempts = ?, failures = ?, due_at = ?, delivered_at = ?,"
            f" token = NULL, claimed_until = NULL, owner = NULL, ({_ATTEMPT}) ="
            " (?, ?, ?, ?, ?, ?, ?) WHERE id = ?",
            [
                (
                    push.state,
                    push.attempts,
                    push.failures,
                    push.due_at if push.state is State.WAITING else None,
                    attempt.started_at + attempt.duration_ms
                    if push.state is State.DELIVERED
                    else None,
                    attempt.started_at,
                    attempt.duration_ms,
                    attempt.verdict.outcome,
                    attempt.verdict.http_status,
                    attempt.verdict.answer,
                    attempt.verdict.detail,
                    attempt.reports,
                    push.id,
                )
                for push, attempt in recorded
            ],
        )

    def write_due(self, pushes: Iterable[Push]) -> None:
        """Write when pushes that wait are due."""
        self._connection.executemany(
            "UPDATE pushes SET due_at = ? WHERE id = ?", [(p.due_at, p.id) for p in pushes]
        )

    def supersede(self, overtaken: Iterable[tuple[AccountState, State, int, int]]) -> None:
        """For (account, final state, push, reports): that many reports are in newer pushes now.

        They are counted there, so that each report is counted once.
        """
        rows = []
        for state, final, push, reports in overtaken:
            state.overtake(final, reports)
            self.touched(state)
            rows.append((reports, push))
        self._connection.executemany(
            "UPDATE pushes SET superseded = superseded + ? WHERE id = ?", rows
        )

    def forget(self, state: AccountState) -> None:
        """Drop all claims and waiting pushes of an account that is deleted."""
        for push in state.under_way.values():
            if push.token is not None:
                self.claimed.pop(push_id.show(push.id), None)
        self._dirty.pop(state, None)
        state.forget()

    def remove(self, state: AccountState, pushes: Sequence[Push]) -> None:
        """Remove waiting pushes, because retention removes all their reports."""
        for push in pushes:
            state.remove(push)
        ids = [(push.id,) for push in pushes]
        self._connection.executemany("DELETE FROM attempts WHERE push = ?", ids)
        self._connection.executemany("DELETE FROM pushes WHERE id = ?", ids)

    def shorten(self, state: AccountState, pushes: Sequence[Push]) -> None:
        """Write the new beginning of pushes that lost their first reports to retention."""
        # The index keeps the old beginning, which is close enough to find them.
        self._connection.executemany(
            "UPDATE pushes SET first_seq = ?, count = ?, accepted_at = ? WHERE id = ?",
            [(push.first_seq, push.count, push.accepted_at, push.id) for push in pushes],
        )
        for push in pushes:
            state.put(push)

    def cancel(self, state: AccountState, pushes: Iterable[Push]) -> None:
        """Write waiting pushes as cancelled."""
        rows = []
        for push in pushes:
            state.end(push)
            rows.append((push.state, push.id))
        self._connection.executemany(
            "UPDATE pushes SET state = ?, due_at = NULL WHERE id = ?", rows
        )
        self.touched(state)

    # switching off

    def cancel_all(self, state: AccountState, now: Milliseconds) -> None:
        """Cancel every waiting push of an account, and cover what is not yet cut."""
        waiting = [p for p in state.under_way.values() if p.state is State.WAITING]
        self.cancel(state, map(switched_off, waiting))
        self.cover(state, now)

    def cover(self, state: AccountState, now: Milliseconds) -> None:
        """Put all reports that are in no push into one cancelled push, so that none is sent."""
        self.touched(state)
        count = state.uncut
        if not count:
            return
        push = covered(
            self.new_id(now), state.id, first_seq=state.progress.cursor, count=count, now=now
        )
        self.insert([push])
        state.cover(push)
