"""Claims: cutting pushes, claiming what may be sent now, and giving claims back."""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from statuspush.clock import Milliseconds
from statuspush.core.contract import Mode
from statuspush.core.lifecycle import State
from statuspush.core.outcome import INTERRUPTED
from statuspush.core.settings import body_limit
from statuspush.core.wire import fit
from statuspush.store import push_id
from statuspush.store.base import Attempt, ClaimedPush, StoreBroken
from statuspush.store.sqlite.chunks import Chunk
from statuspush.store.sqlite.hot import AccountState, PushUnderWay, Turns
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.pushes import Pushes

_Claim = tuple[AccountState, PushUnderWay]


class _Turn(msgspec.Struct, gc=False):
    """What an account sends in its turn: a push that waits, or a range to cut."""

    state: AccountState
    push: PushUnderWay | None
    first_seq: int
    end_seq: int
    chunks: Sequence[int]
    cap: int | None


class Claims:
    """Which pushes are being sent, and by whose turn."""

    def __init__(
        self, connection: sqlite3.Connection, log: ReportLog, pushes: Pushes, turns: Turns
    ) -> None:
        self._connection = connection
        self._log = log
        self._pushes = pushes
        self._turns = turns

    def __len__(self) -> int:
        return len(self._pushes.claimed)

    # claiming

    def claim(
        self, now: Milliseconds, *, limit: int, suspect_limit: int, lease_ms: int
    ) -> list[ClaimedPush]:
        """See :meth:`statuspush.store.base.Store.claim_pushes`."""
        turns = self._take_turns(now, limit, suspect_limit)
        chunks = self._log.read(self._connection, {c for turn in turns for c in turn.chunks})
        claimed: list[ClaimedPush] = []
        cut: list[PushUnderWay] = []
        again: list[PushUnderWay] = []
        for turn in turns:
            held = [chunks[c] for c in turn.chunks if c in chunks]
            _check(turn, held)
            fragments, count = _fragments(turn, held)
            if turn.push is None:
                accepted_at = held[0].accepted_at if held else now
                push = self._cut(turn, count, accepted_at, now)
                cut.append(push)
            else:
                push = turn.push
                if count < push.count:  # a redrive, or the half of a push, still too large
                    self._split(turn.state, push, count, now)
                again.append(push)
            claimed.append(self._hand_out(turn.state, push, fragments, now + lease_ms))
            if turn.cap is not None:
                self._turns.consider(turn.state, now)
        self._pushes.insert(cut, State.SENDING)
        self._connection.executemany(
            "UPDATE pushes SET state = 'sending', count = ?, token = ?, claimed_until = ?"
            " WHERE id = ?",
            [(push.count, push.token, push.claimed_until, push.id) for push in again],
        )
        return claimed

    def _take_turns(self, now: Milliseconds, limit: int, suspect_limit: int) -> list[_Turn]:
        self._turns.advance(now)
        self._pushes.last_token = max(self._pushes.last_token, push_id.first_id_at(now) - 1)
        turns: list[_Turn] = []
        for state in self._turns.take(now, limit=limit, suspect_limit=suspect_limit):
            turn = self._turn(state, now)
            turns.append(turn)
            state.in_flight += 1
            if turn.cap is None:  # else the cut may turn out shorter
                self._turns.consider(state, now)
        return turns

    def _turn(self, state: AccountState, now: Milliseconds) -> _Turn:
        cap = body_limit(state.settings, state.learned_max_bytes)
        push = state.first_waiting()
        if push is not None and push.due_at <= now:
            push.token = self._new_token()  # at once: it may be the account's turn again
            first, end = push.first_seq, push.end_seq
            if push.attempts:
                cap = None  # it was sent as it is, and stays as it is
        else:
            push = None
            first = state.cursor
            end = state.cursor = min(state.next_seq, first + state.settings.max_reports)
        chunks = self._log.chunk_ids(self._connection, state.id, first, end)
        return _Turn(state, push, first, end, chunks, cap)

    def _new_token(self) -> int:
        self._pushes.last_token += 1
        return self._pushes.last_token

    def _cut(
        self, turn: _Turn, count: int, accepted_at: Milliseconds, now: Milliseconds
    ) -> PushUnderWay:
        state = turn.state
        push = PushUnderWay(
            id=self._pushes.new_id(now),
            account=state.id,
            first_seq=turn.first_seq,
            count=count,
            attempts=0,
            failures=0,
            accepted_at=accepted_at,
            due_at=now,
            token=self._new_token(),
        )
        state.under_way[push.id] = push
        if count < turn.end_seq - turn.first_seq:  # with a byte cap there is one cut a call
            state.cursor = push.end_seq
        return push

    def _split(
        self, state: AccountState, push: PushUnderWay, first: int, now: Milliseconds
    ) -> None:
        """Leave the push its ``first`` reports; the rest becomes a push that waits behind it."""
        rest = replace(
            push,
            id=self._pushes.new_id(now),
            first_seq=push.first_seq + first,
            count=push.count - first,
            token=None,
            claimed_until=0,
        )
        # Both stay due when the whole was. Of pushes due at one time the one with the older
        # reports goes first, so the parts keep their order however often they are halved.
        push.count = first
        self._pushes.add_waiting(state, [rest])

    def _hand_out(
        self, state: AccountState, push: PushUnderWay, fragments: bytes, until: Milliseconds
    ) -> ClaimedPush:
        # The row of progress is not written: at load, the cursor is corrected by this push.
        assert push.token is not None
        push.claimed_until, push.url = until, state.settings.url
        push.shown = shown = push_id.show(push.id)
        self._pushes.claimed[shown] = (state, push)
        return ClaimedPush(
            id=shown,
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

    # giving back

    def give_back(self, found: Iterable[_Claim], now: Milliseconds) -> None:
        """Free claims without an outcome; their pushes are due at once, or cancelled if off."""
        updates = []
        for state, push in list(found):
            self._pushes.free(state, push)
            if state.settings.mode is Mode.OFF:
                updates.append(self._pushes.end(state, push, State.CANCELLED))
                continue
            push.due_at = now
            updates.append(self._pushes.wait(state, push))
            self._turns.consider(state, now)
        self._pushes.update(updates)

    def release(self, claims: Sequence[ClaimedPush], now: Milliseconds) -> None:
        """See :meth:`statuspush.store.base.Store.release_claims`."""
        found = [(self._pushes.claimed.get(claim.id), claim.token) for claim in claims]
        self.give_back([held for held, token in found if held and held[1].token == token], now)

    def interrupted(self, found: Sequence[_Claim], now: Milliseconds) -> int:
        """Take back claims whose sender was lost: an attempt that doesn't count."""
        for _, push in found:
            push.attempts += 1
        self._pushes.insert_attempts(
            (push.id, Attempt(push.attempts, now, 0, INTERRUPTED, reports=push.count))
            for _, push in found
        )
        self.give_back(found, now)
        return len(found)

    def all(self) -> list[_Claim]:
        """All claims."""
        return list(self._pushes.claimed.values())

    def expired(self, now: Milliseconds) -> list[_Claim]:
        """Claims whose lease is over."""
        return [claim for claim in self._pushes.claimed.values() if claim[1].claimed_until <= now]

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


def _check(turn: _Turn, held: Sequence[Chunk]) -> None:
    """Refuse to send less than what will count as sent."""
    first, end = turn.first_seq, turn.end_seq
    found = sum(
        [min(end, chunk.first_seq + chunk.count) - max(first, chunk.first_seq) for chunk in held]
    )
    if found != end - first:
        raise StoreBroken(
            f"the store is damaged: of the reports {first} to {end - 1} of"
            f" {turn.state.account} only {found} are there, the others are missing"
        )


def _fragments(turn: _Turn, held: Sequence[Chunk]) -> tuple[bytes, int]:
    """What is sent in a turn, and how many reports that is under the byte cap."""
    fragments = b"\n".join([chunk.part(turn.first_seq, turn.end_seq) for chunk in held])
    count = turn.end_seq - turn.first_seq
    if turn.cap is None:
        return fragments, count
    count = fit(fragments, turn.state.settings.wire, turn.cap)
    return b"\n".join(fragments.split(b"\n", count)[:count]), count
