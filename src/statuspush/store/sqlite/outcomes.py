"""Outcomes: what becomes of a push, and of its endpoint's standing, after a send."""

import sqlite3
from collections.abc import Sequence
from itertools import pairwise

from msgspec.structs import replace

from statuspush.clock import Milliseconds
from statuspush.core.contract import Mode
from statuspush.core.lifecycle import Deliver, Exhaust, Halve, Retry, State
from statuspush.core.outcome import Outcome, Verdict
from statuspush.store.base import Recording
from statuspush.store.sqlite.accounts import write_settings
from statuspush.store.sqlite.hot import AccountState, PushUnderWay, Turns
from statuspush.store.sqlite.pushes import Pushes, Update


class Outcomes:
    """Records what sends came to."""

    def __init__(self, connection: sqlite3.Connection, pushes: Pushes, turns: Turns) -> None:
        self._connection = connection
        self._pushes = pushes
        self._turns = turns

    def record(self, recordings: Sequence[Recording], now: Milliseconds) -> list[bool]:
        """See :meth:`statuspush.store.base.Store.record_outcomes`."""
        written: list[bool] = []
        updates: list[Update] = []
        attempts = []
        for recording in recordings:
            held = self._pushes.claimed.get(recording.push)
            if held is None or held[1].token != recording.token:
                written.append(False)
                continue
            written.append(True)
            state, push = held
            self._pushes.free(state, push)
            attempts.append((push.id, recording.attempt))
            push.attempts += 1
            _judge_endpoint(state, recording)
            updates.append(self._decide(state, push, recording, now))
            self._turns.consider(state, now)
        self._pushes.update(updates)
        self._pushes.insert_attempts(attempts)
        return written

    def _decide(
        self, state: AccountState, push: PushUnderWay, recording: Recording, now: Milliseconds
    ) -> Update:
        decision = recording.decision
        if state.settings.mode is Mode.OFF and isinstance(decision, Retry | Halve):
            return self._pushes.end(state, push, State.CANCELLED)
        match decision:
            case Deliver():
                ended = recording.attempt.started_at + recording.attempt.duration_ms
                return self._pushes.end(state, push, State.DELIVERED, delivered_at=ended)
            case Exhaust():
                push.failures += 1
                return self._pushes.end(state, push, State.EXHAUSTED)
            case Retry(due_at=due_at):
                if recording.attempt.verdict.outcome is not Outcome.INTERRUPTED:
                    push.failures += 1
                push.due_at = due_at
            case Halve():
                return self._halve(state, push, recording, now)
        return self._pushes.wait(state, push)

    def _halve(
        self, state: AccountState, push: PushUnderWay, recording: Recording, now: Milliseconds
    ) -> Update:
        # Two new pushes: what was sent under an id must never change, since a receiver may know
        # the id of what it refused. Both are due when the whole was: of pushes due at one time the
        # one with the older reports goes first, so the parts keep their order however often they
        # are halved.
        half = push.count - push.count // 2
        bounds = (push.first_seq, push.first_seq + half, push.end_seq)
        self._pushes.add_waiting(
            state,
            [
                replace(
                    push,
                    id=self._pushes.new_id(now),
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
            self._learn(state, recording.half_bytes)
        ended = self._pushes.end(state, push, State.CANCELLED)
        self._pushes.supersede([(state, State.CANCELLED, push.id, push.count)])
        return ended

    def _learn(self, state: AccountState, half_bytes: int) -> None:
        """The endpoint takes no larger body than that."""
        state.learned_max_bytes = min(state.learned_max_bytes or half_bytes, half_bytes)
        write_settings(self._connection, state)


def _judge_endpoint(state: AccountState, recording: Recording) -> None:
    attempt = recording.attempt
    verdict = attempt.verdict
    if verdict.outcome is Outcome.INTERRUPTED:
        return
    if state.trusted_since is not None and recording.token > state.trusted_since:
        state.trusted_since = None  # else it says nothing of what the person meant
    state.last_attempt_at = attempt.started_at
    # Of an acknowledgement nobody asks what the letters were.
    state.last_verdict = (
        Verdict(verdict.outcome, verdict.http_status) if verdict.acknowledged else verdict
    )
    state.slow = recording.slow
    match recording.decision:
        case Deliver():
            state.failures = 0
            state.last_delivered_at = attempt.started_at + attempt.duration_ms
        case Halve():
            pass  # the endpoint is there; it wants less at once
        case Retry() | Exhaust():
            state.failures += 1
