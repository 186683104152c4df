"""The overview of an account: its settings, counts, and the health of its endpoint."""

import sqlite3
from collections.abc import Sequence

from statuspush.core.lifecycle import FINAL
from statuspush.core.moment import Milliseconds
from statuspush.store.base import Account, Health, StateCounts
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.log import ReportLog


class Overview:
    """Describes accounts from the hot state; what is missing there is read and kept."""

    def __init__(self, connection: sqlite3.Connection, log: ReportLog) -> None:
        self._connection = connection
        self._log = log
        self._oldest: dict[int, tuple[int, Milliseconds]] = {}

    def stale(self, states: Sequence[AccountState]) -> list[AccountState]:
        """Accounts for which it is unknown when the report at their cursor was accepted."""
        return [
            state
            for state in states
            if state.backlog and self._oldest.get(state.id, (0, 0))[0] != state.progress.cursor
        ]

    def refresh(self, states: Sequence[AccountState]) -> None:
        """Find out when the report at each account's cursor was accepted; one read for all."""
        chunk_of: dict[AccountState, tuple[int, int]] = {}
        for state in states:
            cursor = state.progress.cursor
            ids = self._log.chunk_ids(self._connection, state.id, cursor, cursor + 1)
            if ids:
                chunk_of[state] = (cursor, ids[0])
        times = self._log.accepted_at(self._connection, [c for _, c in chunk_of.values()])
        for state, (cursor, chunk) in chunk_of.items():
            if chunk in times:
                self._oldest[state.id] = (cursor, times[chunk])

    def oldest_at(self, state: AccountState) -> Milliseconds | None:
        """When an account's oldest waiting report was accepted."""
        times = [state.oldest_waiting_at()]
        if state.backlog and state.id in self._oldest:
            times.append(self._oldest[state.id][1])
        return min((at for at in times if at is not None), default=None)

    def account(self, state: AccountState) -> Account:
        """The whole overview."""
        progress, standing = state.progress, state.standing
        delivered, exhausted, cancelled = map(progress.counted, FINAL)
        return Account(
            account=state.account,
            name=state.name,
            created_at=state.created_at,
            push=state.settings,
            revision=state.revision,
            learned_max_bytes=progress.learned_max_bytes,
            pushes=StateCounts(
                len(state.under_way) - state.in_flight,
                state.in_flight,
                delivered[0],
                exhausted[0],
                cancelled[0],
            ),
            reports=StateCounts(
                state.waiting_reports - state.reports_in_flight,
                state.reports_in_flight,
                delivered[1],
                exhausted[1],
                cancelled[1],
                progress.expired,
            ),
            waiting_reports=state.waiting_reports,
            oldest_waiting_at=self.oldest_at(state),
            health=Health(
                standing.failures,
                standing.last_verdict,
                standing.last_attempt_at,
                standing.last_delivered_at,
                state.retry_due_at(),
            ),
            accepted_reports=progress.next_seq - 1,
            kind=state.kind.name,
        )
