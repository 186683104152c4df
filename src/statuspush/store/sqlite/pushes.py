"""Pushes: cutting and claiming them, and writing what became of them.

The memory decides (hot.py) and the rows follow, a few statements for all pushes of a call,
inside the caller's transaction.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from statuspush.clock import Milliseconds
from statuspush.core.contract import Mode
from statuspush.core.lifecycle import Deliver, Exhaust, Halve, Retry, State
from statuspush.core.outcome import Outcome
from statuspush.core.wire import fit
from statuspush.store import push_id
from statuspush.store.base import Attempt, ClaimedPush, PushSettings, Recording
from statuspush.store.sqlite.accounts import write_settings
from statuspush.store.sqlite.hot import AccountState, PushUnderWay, Turns
from statuspush.store.sqlite.log import ReportLog

_UPDATE = (
    "UPDATE pushes SET state = ?, count = ?, attempts = ?, failures = ?, due_at = ?,"
    " delivered_at = ?, token = NULL, claimed_until = NULL WHERE id = ?"
)


def size_cap(settings: PushSettings) -> int | None:
    """The byte cap in force: the account's own, or the one learned from an answer of 413."""
    caps = [cap for cap in (settings.max_bytes, settings.learned_max_bytes) if cap is not None]
    return min(caps) if caps else None


@dataclass(slots=True)
class _Turn:
    """What an account sends in its turn: a push that waits, or a range to cut."""

    state: AccountState
    push: PushUnderWay | None
    first_seq: int
    end_seq: int
    chunks: list[int]


class Pushes:
    """The pushes of all accounts."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        log: ReportLog,
        turns: Turns,
        dirty: set[AccountState],
    ) -> None:
        self._connection = connection
        self._log = log
        self._turns = turns
        self._dirty = dirty
        self._last_id = 0
        self._last_token = 0
        self._claimed: dict[int, tuple[AccountState, PushUnderWay]] = {}

    def load(self, states: Iterable[AccountState]) -> None:
        """Adopt what was read from disk."""
        self._last_id = self._connection.execute(
            "SELECT coalesce(max(id), 0) FROM pushes"
        ).fetchone()[0]
        self._claimed = {
            push.id: (state, push)
            for state in states
            for push in state.under_way.values()
            if push.token is not None
        }

    @property
    def claims(self) -> int:
        """Pushes being sent."""
        return len(self._claimed)

    def new_id(self, now: Milliseconds) -> int:
        """The id of a push created now."""
        self._last_id = push_id.next_id(self._last_id, now)
        return self._last_id

    def hasten(
        self, states: Iterable[AccountState], latest_due: Milliseconds, now: Milliseconds
    ) -> None:
        """Let no push that waits be due later than that."""
        late = [
            (state, push)
            for state in states
            for push in state.under_way.values()
            if push.token is None and push.due_at > latest_due
        ]
        for state, push in late:
            push.due_at = latest_due
            state.put(push)
            state.noted_due = None
            self._turns.consider(state, now)
        self._connection.executemany(
            "UPDATE pushes SET due_at = ? WHERE id = ?", [(latest_due, p.id) for _, p in late]
        )

    # claiming

    def claim(
        self, now: Milliseconds, *, limit: int, suspect_limit: int, lease_ms: int
    ) -> list[ClaimedPush]:
        """See :meth:`statuspush.store.base.Store.claim_pushes`."""
        self._turns.advance(now)
        turns: list[_Turn] = []
        for state in self._turns.take(now, limit=limit, suspect_limit=suspect_limit):
            turns.append(self._turn(state, now))
            state.in_flight += 1
            if size_cap(state.settings) is None:  # else the cut may turn out shorter
                self._turns.consider(state, now)
        chunks = self._log.read(self._connection, {c for turn in turns for c in turn.chunks})
        claimed: list[ClaimedPush] = []
        cut: list[PushUnderWay] = []
        again: list[PushUnderWay] = []
        for turn in turns:
            state, push = turn.state, turn.push
            held = [chunks[c] for c in turn.chunks if c in chunks]
            fragments = b"\n".join([c.part(turn.first_seq, turn.end_seq) for c in held])
            count = turn.end_seq - turn.first_seq
            cap = size_cap(state.settings)
            if cap is not None and (push is None or not push.attempts):
                count = fit(fragments, state.settings.wire, cap)
                fragments = b"\n".join(fragments.split(b"\n", count)[:count])
            if push is None:
                push = self._cut(turn, count, held[0].accepted_at if held else now, now)
                push.token = self._new_token(now)
                cut.append(push)
            else:
                if count < push.count:  # a redrive, or the half of a push, that is still too large
                    self._split(state, push, count, now)
                again.append(push)
            assert push.token is not None
            push.claimed_until, push.url = now + lease_ms, state.settings.url
            self._claimed[push.id] = (state, push)
            self._dirty.add(state)
            claimed.append(
                ClaimedPush(
                    id=push_id.show(push.id),
                    account=state.account,
                    settings=state.settings,
                    fragments=fragments,
                    reports=push.count,
                    attempt=push.attempts + 1,
                    failures=push.failures,
                    token=push.token,
                    created_at=push_id.created_at(push.id),
                    suspect=state.suspect,
                )
            )
            self._turns.consider(state, now)
        self.insert(cut, State.SENDING)
        self._connection.executemany(
            "UPDATE pushes SET state = 'sending', count = ?, token = ?, claimed_until = ?"
            " WHERE id = ?",
            [(push.count, push.token, push.claimed_until, push.id) for push in again],
        )
        return claimed

    def _turn(self, state: AccountState, now: Milliseconds) -> _Turn:
        push = state.first_waiting()
        if push is not None and push.due_at <= now:
            push.token = self._new_token(now)  # at once: it may be the account's turn again
            chunks = self._log.chunk_ids(self._connection, state.id, push.first_seq, push.end_seq)
            return _Turn(state, push, push.first_seq, push.end_seq, chunks)
        end = min(state.next_seq, state.cursor + state.settings.max_reports)
        chunks = self._log.chunk_ids(self._connection, state.id, state.cursor, end)
        turn = _Turn(state, None, state.cursor, end, chunks)
        state.cursor = end
        return turn

    def _new_token(self, now: Milliseconds) -> int:
        self._last_token = max(self._last_token + 1, push_id.first_id_at(now))
        return self._last_token

    def _cut(
        self, turn: _Turn, count: int, accepted_at: Milliseconds, now: Milliseconds
    ) -> PushUnderWay:
        state = turn.state
        push = PushUnderWay(
            id=self.new_id(now),
            account=state.id,
            first_seq=turn.first_seq,
            count=count,
            attempts=0,
            failures=0,
            accepted_at=accepted_at,
            due_at=now,
        )
        state.under_way[push.id] = push
        if count < turn.end_seq - turn.first_seq:  # with a byte cap there is one cut a call
            state.cursor = push.end_seq
        return push

    def insert(self, pushes: Sequence[PushUnderWay], state: State, due: bool = True) -> None:
        """Write rows of new pushes."""
        self._connection.executemany(
            "INSERT INTO pushes (id, account, first_seq, count, state, attempts, failures,"
            " accepted_at, due_at, token, claimed_until, redrive_of)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
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
            ],
        )

    def add_waiting(self, state: AccountState, pushes: Sequence[PushUnderWay]) -> None:
        """Write new pushes that wait, and queue their account."""
        self.insert(pushes, State.WAITING)
        for push in pushes:
            state.put(push)
        self._dirty.add(state)

    # recording

    def record(self, recordings: Sequence[Recording], now: Milliseconds) -> list[bool]:
        """See :meth:`statuspush.store.base.Store.record_outcomes`."""
        written: list[bool] = []
        updates: list[tuple[object, ...]] = []
        attempts: list[tuple[int, Attempt]] = []
        for recording in recordings:
            number = push_id.read(recording.push)
            state, push = self._claimed.get(number or 0, (None, None))
            if state is None or push is None or push.token != recording.token:
                written.append(False)
                continue
            written.append(True)
            self._free(state, push)
            attempts.append((push.id, recording.attempt))
            push.attempts += 1
            self._judge_endpoint(state, recording)
            updates.append(self._decide(state, push, recording, now))
            self._turns.consider(state, now)
        self._connection.executemany(_UPDATE, updates)
        self.insert_attempts(attempts)
        return written

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
                    attempt.outcome,
                    attempt.http_status,
                    attempt.answer,
                    attempt.detail,
                    attempt.reports,
                )
                for push, attempt in attempts
            ],
        )

    def _judge_endpoint(self, state: AccountState, recording: Recording) -> None:
        attempt = recording.attempt
        ended_at = attempt.started_at + attempt.duration_ms
        if attempt.outcome is Outcome.INTERRUPTED:
            return
        state.trusted = False
        state.last_outcome = attempt.outcome
        state.last_attempt_at = attempt.started_at
        failed = attempt.outcome is not Outcome.ACKNOWLEDGED
        state.last_http_status = attempt.http_status
        state.last_answer = attempt.answer if failed else b""
        state.last_detail = attempt.detail if failed else ""
        state.slow = recording.slow
        match recording.decision:
            case Deliver():
                state.failures = 0
                state.last_delivered_at = ended_at
            case Halve():
                pass  # the endpoint is there; it wants less at once
            case Retry() | Exhaust():
                state.failures += 1

    def _decide(
        self, state: AccountState, push: PushUnderWay, recording: Recording, now: Milliseconds
    ) -> tuple[object, ...]:
        decision = recording.decision
        if state.settings.mode is Mode.OFF and isinstance(decision, Retry | Halve):
            return self._end(state, push, State.CANCELLED)
        match decision:
            case Deliver():
                ended = recording.attempt.started_at + recording.attempt.duration_ms
                return self._end(state, push, State.DELIVERED, delivered_at=ended)
            case Exhaust():
                push.failures += 1
                return self._end(state, push, State.EXHAUSTED)
            case Retry(due_at=due_at):
                if recording.attempt.outcome is not Outcome.INTERRUPTED:
                    push.failures += 1
                push.due_at = due_at
            case Halve():
                return self._halve(state, push, recording, now)
        return self._wait(state, push)

    def _wait(self, state: AccountState, push: PushUnderWay) -> tuple[object, ...]:
        state.put(push)
        return (
            State.WAITING,
            push.count,
            push.attempts,
            push.failures,
            push.due_at,
            None,
            push.id,
        )

    def _halve(
        self, state: AccountState, push: PushUnderWay, recording: Recording, now: Milliseconds
    ) -> tuple[object, ...]:
        # Two new pushes: what was sent under an id must never change, since a receiver may know
        # the id of what it refused. Both are due when the whole was: of pushes due at one time the
        # one with the older reports goes first, so the parts keep their order however often they
        # are halved.
        half = push.count - push.count // 2
        bounds = (push.first_seq, push.first_seq + half, push.end_seq)
        self.add_waiting(
            state,
            [
                replace(
                    push,
                    id=self.new_id(now),
                    first_seq=first,
                    count=end - first,
                    attempts=0,
                    failures=0,
                    redrive_of=push.id,
                )
                for first, end in pairwise(bounds)
            ],
        )
        if push.url == state.settings.url:
            known = state.settings.learned_max_bytes or recording.half_bytes
            state.settings = replace(
                state.settings, learned_max_bytes=min(known, recording.half_bytes)
            )
            write_settings(self._connection, state)
        ended = self._end(state, push, State.CANCELLED)
        self.supersede([(state, State.CANCELLED, push.id, push.count)])
        return ended

    def supersede(self, overtaken: Iterable[tuple[AccountState, State, int, int]]) -> None:
        """So many reports of (account, final state, push) are in newer pushes from now on.

        They are counted there, so that each report is counted once.
        """
        rows = []
        for state, final, push, reports in overtaken:
            state.tallies[final].add(-reports, 0)
            self._dirty.add(state)
            rows.append((reports, push))
        self._connection.executemany(
            "UPDATE pushes SET superseded = superseded + ? WHERE id = ?", rows
        )

    def _split(
        self, state: AccountState, push: PushUnderWay, first: int, now: Milliseconds
    ) -> None:
        """Leave the push its ``first`` reports; the rest becomes a push that waits behind it."""
        rest = replace(
            push,
            id=self.new_id(now),
            first_seq=push.first_seq + first,
            count=push.count - first,
            attempts=0,
            failures=0,
            token=None,
            claimed_until=0,
        )
        # Both stay due when the whole was. Of pushes due at one time the one with the older
        # reports goes first, so the parts keep their order however often they are halved.
        push.count = first
        self.add_waiting(state, [rest])

    def _end(
        self,
        state: AccountState,
        push: PushUnderWay,
        final: State,
        delivered_at: Milliseconds | None = None,
    ) -> tuple[object, ...]:
        del state.under_way[push.id]
        state.tallies[final].add(push.count)
        return (final, push.count, push.attempts, push.failures, None, delivered_at, push.id)

    def _free(self, state: AccountState, push: PushUnderWay) -> None:
        del self._claimed[push.id]
        push.token, push.claimed_until = None, 0
        state.in_flight -= 1
        self._dirty.add(state)

    def give_back(
        self, found: Iterable[tuple[AccountState, PushUnderWay]], now: Milliseconds
    ) -> None:
        """Free claims without an outcome; their pushes are due at once, or cancelled if off."""
        updates: list[tuple[object, ...]] = []
        for state, push in list(found):
            self._free(state, push)
            if state.settings.mode is Mode.OFF:
                updates.append(self._end(state, push, State.CANCELLED))
                continue
            push.due_at = now
            updates.append(self._wait(state, push))
            self._turns.consider(state, now)
        self._connection.executemany(_UPDATE, updates)

    def release(self, claims: Sequence[ClaimedPush], now: Milliseconds) -> None:
        """See :meth:`statuspush.store.base.Store.release_claims`."""
        found = []
        for claim in claims:
            state, push = self._claimed.get(push_id.read(claim.id) or 0, (None, None))
            if state is not None and push is not None and push.token == claim.token:
                found.append((state, push))
        self.give_back(found, now)

    def interrupted(self, now: Milliseconds) -> int:
        """Take back all claims: their process died. The attempt is kept, but doesn't count."""
        found = list(self._claimed.values())
        for _, push in found:
            push.attempts += 1
        self.insert_attempts(
            (push.id, Attempt(push.attempts, now, 0, Outcome.INTERRUPTED, reports=push.count))
            for _, push in found
        )
        self.give_back(found, now)
        return len(found)

    def expired_claims(self, now: Milliseconds) -> list[tuple[AccountState, PushUnderWay]]:
        """Claims whose lease is over."""
        return [claim for claim in self._claimed.values() if claim[1].claimed_until <= now]

    def forget(self, state: AccountState) -> None:
        """Drop all claims and waiting pushes of an account that is deleted."""
        for push_number in state.under_way:
            self._claimed.pop(push_number, None)
        state.settings = replace(state.settings, mode=Mode.OFF)  # it may still be queued
        state.under_way.clear()
        state.drop_waiting()

    def expire(self, state: AccountState, push: PushUnderWay) -> int:
        """Drop a push whose reports retention removes; return how many reports it had."""
        if push.token is not None:
            self._free(state, push)  # its outcome will be refused: there is nothing to retry
        del state.under_way[push.id]
        self._connection.execute("DELETE FROM attempts WHERE push = ?", (push.id,))
        self._connection.execute("DELETE FROM pushes WHERE id = ?", (push.id,))
        return push.count

    # switching off

    def cancel_all(self, state: AccountState, now: Milliseconds) -> None:
        """Cancel every waiting push of an account, and cover what is not cut yet."""
        waiting = [push for push in state.under_way.values() if push.token is None]
        for push in waiting:
            self._end(state, push, State.CANCELLED)
        state.drop_waiting()
        self._connection.executemany(
            "UPDATE pushes SET state = 'cancelled', due_at = NULL WHERE id = ?",
            [(push.id,) for push in waiting],
        )
        self.cover(state, now)

    def cover(self, state: AccountState, now: Milliseconds) -> None:
        """One cancelled push over all reports that are in none: nothing is sent by itself."""
        count = state.next_seq - state.cursor
        self._dirty.add(state)
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
