"""Outcomes: the core decides what a push and its endpoint's standing become; this writes it."""

from collections.abc import Sequence

from statuspush.core.moment import Milliseconds
from statuspush.core.push import Attempt, Push, record
from statuspush.core.standing import after_attempt
from statuspush.core.turn import learn
from statuspush.store.base import Recording
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.pushes import Pushes
from statuspush.store.sqlite.turns import Turns


class Outcomes:
    """Records outcomes of claimed pushes."""

    def __init__(self, pushes: Pushes, turns: Turns) -> None:
        self._pushes = pushes
        self._turns = turns

    def record(self, recordings: Sequence[Recording], now: Milliseconds) -> list[bool]:
        """See :meth:`statuspush.store.contracts.Dispatching.record_outcomes`."""
        pushes = self._pushes
        claimed = pushes.claimed
        written: list[bool] = []
        ended: list[tuple[Push, Attempt]] = []
        for recording in recordings:
            held = claimed.get(recording.push)
            if held is None or held[1].token != recording.token:
                written.append(False)
                continue
            written.append(True)
            state, push = held
            del claimed[recording.push]
            attempt = recording.attempt
            recorded = record(
                push,
                attempt,
                recording.decision,
                off=state.off,
                url=state.settings.url,
                new_id=lambda: pushes.new_id(now),
            )
            state.free(recorded.push)
            ended.append((recorded.push, attempt))
            pushes.stand(
                state,
                after_attempt(
                    state.progress.standing,
                    attempt.verdict,
                    recording.decision,
                    token=recording.token,
                    started_at=attempt.started_at,
                    ended_at=attempt.started_at + attempt.duration_ms,
                    slow=recording.slow,
                ),
            )
            if recorded.halves:
                self._halve(state, recorded.push, recorded.halves, recorded.learned_max_bytes)
            self._turns.consider(state, now)
        pushes.write_outcomes(ended)
        return written

    def _halve(
        self, state: AccountState, push: Push, halves: Sequence[Push], learned: int | None
    ) -> None:
        self._pushes.add_waiting(state, halves)
        self._pushes.supersede([(state, push.state, push.id, push.count)])
        if learned is not None:
            state.progress.learned_max_bytes = learn(state.progress.learned_max_bytes, learned)
