"""Claims: cutting pushes, claiming what may be sent now, and giving claims back."""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from statuspush.core.lifecycle import Retry
from statuspush.core.moment import Milliseconds
from statuspush.core.outcome import INTERRUPTED
from statuspush.core.push import Attempt, Claim, Push, claimed, cut, record, returned, split
from statuspush.core.turn import Turn
from statuspush.core.wire import fit
from statuspush.store import push_id
from statuspush.store.base import ClaimedPush, StoreBroken
from statuspush.store.sqlite.chunks import Chunk
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.pushes import Pushes
from statuspush.store.sqlite.turns import Turns

_Claimed = tuple[AccountState, Push]


class _Send(msgspec.Struct, gc=False):
    """What an account sends in its turn: a waiting push, or a range to cut."""

    state: AccountState
    push: Push | None
    first_seq: int
    end_seq: int
    chunks: Sequence[int]
    cap: int | None


class Claims:
    """Claims pushes, and gives claims back."""

    def __init__(
        self, connection: sqlite3.Connection, log: ReportLog, pushes: Pushes, turns: Turns
    ) -> None:
        self._connection = connection
        self._log = log
        self._pushes = pushes
        self._turns = turns

    # claiming

    def claim(
        self, now: Milliseconds, *, limit: int, suspect_limit: int, lease_ms: int, owner: str
    ) -> list[ClaimedPush]:
        """See :meth:`statuspush.store.contracts.Dispatching.claim_pushes`."""
        self._turns.advance(now)
        left = [limit, suspect_limit]
        result: list[ClaimedPush] = []
        new: list[Push] = []
        again: list[Push] = []
        # In each round every account has at most one turn.
        while sends := [
            self._send(state, turn)
            for state, turn in self._turns.take(now, limit=left[0], suspect_limit=left[1])
        ]:
            chunks = self._log.read(self._connection, {c for send in sends for c in send.chunks})
            for send in sends:
                state = send.state
                suspect = state.progress.standing.suspect
                left[suspect] -= 1
                held = [chunks[c] for c in send.chunks if c in chunks]
                _check(send, held)
                fragments, count = _fragments(send, held)
                claim = Claim(
                    self._pushes.new_token(now), now + lease_ms, owner, state.settings.url
                )
                if send.push is None:
                    push = self._cut(send, count, held[0].accepted_at, claim, now)
                    new.append(push)
                else:
                    push = self._claim(send.push, state, count, claim, now)
                    again.append(push)
                result.append(_handed_out(state, push, fragments, suspect=suspect))
                self._pushes.claimed[result[-1].id] = (state, push)
                self._turns.consider(state, now)
        self._pushes.insert(new)
        if again:
            self._pushes.write_claims(again)
        return result

    def _cut(
        self,
        send: _Send,
        count: int,
        accepted_at: Milliseconds,
        claim: Claim,
        now: Milliseconds,
    ) -> Push:
        state = send.state
        push = cut(
            self._pushes.new_id(now),
            state.id,
            first_seq=send.first_seq,
            count=count,
            accepted_at=accepted_at,
            claim=claim,
            now=now,
        )
        state.cut(push)
        return push

    def _claim(
        self, push: Push, state: AccountState, count: int, claim: Claim, now: Milliseconds
    ) -> Push:
        if count < push.count:  # a redrive, or the half of a push, still too large
            push, rest = split(push, count, self._pushes.new_id(now))
            self._pushes.add_waiting(state, [rest])
        push = claimed(push, claim)
        state.claim(push)
        return push

    def _send(self, state: AccountState, turn: Turn) -> _Send:
        cap = state.byte_cap
        push = None if turn.push is None else state.under_way[turn.push]
        if push is None:
            first = state.progress.cursor
            end = min(state.progress.next_seq, first + state.max_reports)
        else:
            first, end = push.first_seq, push.end_seq
            if push.attempts:
                cap = None  # it was sent like this, and must not change
        chunks = self._log.chunk_ids(self._connection, state.id, first, end)
        return _Send(state, push, first, end, chunks, cap)

    # giving back

    def give_back(self, found: Iterable[_Claimed], now: Milliseconds) -> None:
        """Free claims without an attempt; their pushes are due immediately."""
        freed = []
        for state, push in list(found):
            freed.append(returned(push, now, off=state.off))
            self._free(state, freed[-1])
            self._turns.consider(state, now)
        self._pushes.write_returns(freed)

    def release(self, claims: Sequence[ClaimedPush], now: Milliseconds) -> None:
        """See :meth:`statuspush.store.contracts.Dispatching.release_claims`."""
        found = [(self._pushes.claimed.get(claim.id), claim.token) for claim in claims]
        self.give_back([held for held, token in found if held and held[1].token == token], now)

    def extend(self, owner: str, until: Milliseconds) -> list[int]:
        """See :meth:`statuspush.store.contracts.Dispatching.extend_claims`."""
        extended = []
        tokens = []
        for shown, (state, push) in self._pushes.claimed.items():
            if push.owner != owner or push.token is None:
                continue
            tokens.append(push.token)
            if push.claimed_until < until:
                extended.append(msgspec.structs.replace(push, claimed_until=until))
                state.extend(extended[-1])
                self._pushes.claimed[shown] = (state, extended[-1])
        self._pushes.write_claims(extended)
        return tokens

    def take_back(self, now: Milliseconds, owner: str | None) -> int:
        """See :meth:`statuspush.store.contracts.Dispatching.take_back_claims`."""
        found = [
            held
            for held in self._pushes.claimed.values()
            if (held[1].claimed_until <= now if owner is None else held[1].owner == owner)
        ]
        written = []
        for state, push in found:
            attempt = Attempt(push.attempts + 1, now, 0, INTERRUPTED, push.count)
            recorded = record(
                push,
                attempt,
                Retry(now),
                off=state.off,
                url=state.settings.url,
                new_id=lambda: self._pushes.new_id(now),
            )
            self._free(state, recorded.push)
            written.append((recorded.push, attempt))
            self._turns.consider(state, now)
        self._pushes.write_outcomes(written)
        return len(found)

    def any_over(self, now: Milliseconds) -> bool:
        """Whether the lease of any claim is over."""
        return any(push.claimed_until <= now for _, push in self._pushes.claimed.values())

    def _free(self, state: AccountState, push: Push) -> None:
        del self._pushes.claimed[push_id.show(push.id)]
        state.free(push)
        self._pushes.touched(state)

    def hasten(
        self, states: Iterable[AccountState], interval_ms: int | None, now: Milliseconds
    ) -> None:
        """See :meth:`statuspush.store.contracts.Dispatching.hasten_retries`."""
        late = []
        for state in states:
            latest_due = now + state.kind.interval_ms(interval_ms)
            for push in list(state.under_way.values()):
                if push.token is None and push.due_at > latest_due:
                    late.append(msgspec.structs.replace(push, due_at=latest_due))
                    state.put(late[-1])
                    state.noted_due = None
            self._turns.consider(state, now)
        self._pushes.write_due(late)


def _handed_out(state: AccountState, push: Push, fragments: bytes, *, suspect: bool) -> ClaimedPush:
    # The progress row is not written: at load, this push corrects the cursor.
    assert push.token is not None
    return ClaimedPush(
        id=push_id.show(push.id),
        account=state.account,
        settings=state.settings,
        fragments=fragments,
        reports=push.count,
        attempt=push.attempts + 1,
        failures=push.failures,
        token=push.token,
        created_at=push_id.created_at(push.id),
        suspect=suspect,
        kind=state.kind.name,
    )


def _check(send: _Send, held: Sequence[Chunk]) -> None:
    """Refuse to send less than what will count as sent."""
    first, end = send.first_seq, send.end_seq
    if len(held) == 1 and held[0].first_seq <= first and held[0].first_seq + held[0].count >= end:
        return  # nearly always
    found = sum(
        [min(end, chunk.first_seq + chunk.count) - max(first, chunk.first_seq) for chunk in held]
    )
    if found != end - first:
        raise StoreBroken(
            f"the store is damaged: of the reports {first} to {end - 1} of"
            f" {send.state.account} only {found} are left, the others are missing"
        )


def _fragments(send: _Send, held: Sequence[Chunk]) -> tuple[bytes, int]:
    """What is sent in a turn, and how many reports fit under the byte cap."""
    first, end = send.first_seq, send.end_seq
    if len(held) == 1:
        fragments = held[0].part(first, end)
    else:
        fragments = b"\n".join([chunk.part(first, end) for chunk in held])
    count = end - first
    if send.cap is None:
        return fragments, count
    count = fit(fragments, send.state.settings.wire, send.cap, send.state.kind)
    return b"\n".join(fragments.split(b"\n", count)[:count]), count
