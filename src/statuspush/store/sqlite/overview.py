"""What is told of an account: its settings, counts, and how its endpoint does."""

import sqlite3
from collections.abc import Sequence

from statuspush.clock import Milliseconds
from statuspush.core.lifecycle import State
from statuspush.store.base import Account, Health, StateCounts
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.log import ReportLog


class Overview:
    """Describes accounts from the hot state; what is not in it is read and kept."""

    def __init__(self, connection: sqlite3.Connection, log: ReportLog) -> None:
        self._connection = connection
        self._log = log
        self._oldest: dict[int, tuple[int, Milliseconds]] = {}

    def stale(self, states: Sequence[AccountState]) -> list[AccountState]:
        """Those of which it is not known when the report at their cursor was accepted."""
        return [
            state
            for state in states
            if state.backlog and self._oldest.get(state.id, (0, 0))[0] != state.cursor
        ]

    def refresh(self, states: Sequence[AccountState]) -> None:
        """Find when the report at each account's cursor was accepted; one read for all."""
        chunk_of: dict[AccountState, tuple[int, int]] = {}
        for state in states:
            cursor = state.cursor
            ids = self._log.chunk_ids(self._connection, state.id, cursor, cursor + 1)
            if ids:
                chunk_of[state] = (cursor, ids[0])
        times = self._log.accepted_at(self._connection, [c for _, c in chunk_of.values()])
        for state, (cursor, chunk) in chunk_of.items():
            if chunk in times:
                self._oldest[state.id] = (cursor, times[chunk])

    def account(self, state: AccountState) -> Account:
        """All there is to tell."""
        sending = [push for push in state.under_way.values() if push.token is not None]
        waiting = [push for push in state.under_way.values() if push.token is None]
        sending_reports = sum(push.count for push in sending)
        waiting_reports = sum(push.count for push in waiting) + state.backlog
        times = [push.accepted_at for push in waiting]
        if state.backlog and state.id in self._oldest:
            times.append(self._oldest[state.id][1])
        retry = state.first_waiting()
        delivered, exhausted, cancelled = (
            state.tallies[final] for final in (State.DELIVERED, State.EXHAUSTED, State.CANCELLED)
        )
        return Account(
            account=state.account,
            name=state.name,
            created_at=state.created_at,
            push=state.settings,
            revision=state.revision,
            learned_max_bytes=state.learned_max_bytes,
            pushes=StateCounts(
                len(waiting),
                len(sending),
                delivered.pushes,
                exhausted.pushes,
                cancelled.pushes,
            ),
            reports=StateCounts(
                waiting_reports,
                sending_reports,
                delivered.reports,
                exhausted.reports,
                cancelled.reports,
                state.expired,
            ),
            waiting_reports=waiting_reports + sending_reports,
            oldest_waiting_at=min(times) if times else None,
            health=Health(
                state.failures,
                state.last_verdict,
                state.last_attempt_at,
                state.last_delivered_at,
                retry.due_at if retry is not None else None,
            ),
            accepted_reports=state.next_seq - 1,
        )
