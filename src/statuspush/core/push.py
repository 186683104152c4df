"""A push as a value: a range of an account's reports, and how events change it.

Nothing here is stored or sent. Each function takes a push as it is and returns what an engine has
to write: the push as it will be, and any new pushes. What was sent under an id never changes, so
taking reports out of a push that was sent makes a new push.
"""

from collections.abc import Callable
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from statuspush.core.lifecycle import (
    Decision,
    Deliver,
    Event,
    Exhaust,
    Halve,
    Retry,
    State,
    advance,
)
from statuspush.core.moment import Milliseconds
from statuspush.core.outcome import Outcome, Verdict


class Attempt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One send of a push and the verdict on it."""

    number: int
    """From 1."""
    started_at: Milliseconds
    duration_ms: int
    verdict: Verdict
    reports: int = 0
    """How many reports were sent."""


class Push(msgspec.Struct, frozen=True, gc=False):
    """A push that is new, waits, is being sent, or has just ended."""

    id: int
    account: int
    """The engine's number for the account."""
    first_seq: int
    count: int
    accepted_at: Milliseconds
    """When its oldest report was accepted."""
    due_at: Milliseconds
    state: State
    attempts: int = 0
    """Sends so far."""
    failures: int = 0
    """Sends that count against the retries."""
    redrive_of: int | None = None
    """The push whose reports it sends again."""
    token: int | None = None
    """Token of the present claim."""
    claimed_until: Milliseconds = 0
    owner: str = ""
    """Who has claimed it."""
    url: str | None = None
    """The URL that it is being sent to; known only to the process that claimed it."""

    @property
    def end_seq(self) -> int:
        """One past its last report."""
        return self.first_seq + self.count


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What a claim sets on a push."""

    token: int
    """Fencing token: higher than every earlier one of the account."""
    until: Milliseconds
    """When the lease ends."""
    owner: str
    url: str | None


def cut(
    push: int,
    account: int,
    *,
    first_seq: int,
    count: int,
    accepted_at: Milliseconds,
    claim: Claim,
    now: Milliseconds,
) -> Push:
    """A new push over waiting reports, claimed."""
    return Push(
        push,
        account,
        first_seq,
        count,
        accepted_at,
        now,
        advance(None, Event.CUT),
        token=claim.token,
        claimed_until=claim.until,
        owner=claim.owner,
        url=claim.url,
    )


def queued(
    push: int,
    account: int,
    *,
    first_seq: int,
    count: int,
    accepted_at: Milliseconds,
    due_at: Milliseconds,
    redrive_of: int | None,
) -> Push:
    """A new push that waits."""
    return Push(
        push,
        account,
        first_seq,
        count,
        accepted_at,
        due_at,
        advance(None, Event.QUEUED),
        redrive_of=redrive_of,
    )


def covered(push: int, account: int, *, first_seq: int, count: int, now: Milliseconds) -> Push:
    """A push over reports that are not sent, because the interface was off (section 1)."""
    return Push(push, account, first_seq, count, now, now, advance(None, Event.COVERED))


def claimed(push: Push, claim: Claim) -> Push:
    """The push with a claim."""
    return replace(
        push,
        state=advance(push.state, Event.CLAIMED),
        token=claim.token,
        claimed_until=claim.until,
        owner=claim.owner,
        url=claim.url,
    )


def returned(push: Push, now: Milliseconds, *, off: bool) -> Push:
    """The push without its claim: due immediately, or cancelled if the interface is off."""
    event = Event.SWITCHED_OFF if off else Event.RETURNED
    return _freed(push, event, due_at=now)


def switched_off(push: Push) -> Push:
    """A waiting push after the interface was switched off."""
    return replace(push, state=advance(push.state, Event.SWITCHED_OFF))


def _freed(push: Push, event: Event, *, due_at: Milliseconds, counts: bool = False) -> Push:
    return Push(
        push.id,
        push.account,
        push.first_seq,
        push.count,
        push.accepted_at,
        due_at,
        advance(push.state, event),
        push.attempts,
        push.failures + counts,
        push.redrive_of,
    )


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """What a claimed push becomes after an outcome."""

    push: Push
    halves: tuple[Push, ...] = ()
    """The new pushes that take over its reports."""
    learned_max_bytes: int | None = None
    """Largest body that may be sent to the endpoint from now on, if one was learned."""


def record(
    push: Push,
    attempt: Attempt,
    decision: Decision,
    *,
    off: bool,
    url: str | None,
    new_id: Callable[[], int],
) -> Recorded:
    """Apply an attempt, and what was decided after it, to a claimed push.

    :param off: the account's interface is off; then nothing is repeated.
    :param url: the account's present URL. What was learned about another one is not kept.
    """
    push = replace(push, attempts=push.attempts + 1)
    match decision:
        case Deliver():
            return Recorded(_freed(push, Event.ACKNOWLEDGED, due_at=push.due_at))
        case Exhaust():
            return Recorded(_freed(push, Event.GIVEN_UP, due_at=push.due_at, counts=True))
        case Retry() | Halve() if off:
            return Recorded(_freed(push, Event.SWITCHED_OFF, due_at=push.due_at))
        case Retry(due_at):
            counts = attempt.verdict.outcome is not Outcome.INTERRUPTED
            return Recorded(_freed(push, Event.FAILED, due_at=due_at, counts=counts))
        case Halve(half_bytes):
            return Recorded(
                _freed(push, Event.HALVED, due_at=push.due_at),
                _halves(push, new_id),
                half_bytes if push.url == url else None,
            )


def _halves(push: Push, new_id: Callable[[], int]) -> tuple[Push, ...]:
    # Both are due when the whole was. Among pushes due at the same time the one with the oldest
    # reports goes first, so the parts keep their order however often they are halved.
    half = push.count - push.count // 2
    return tuple(
        queued(
            new_id(),
            push.account,
            first_seq=first,
            count=end - first,
            accepted_at=push.accepted_at,
            due_at=push.due_at,
            redrive_of=push.id,
        )
        for first, end in pairwise((push.first_seq, push.first_seq + half, push.end_seq))
    )


def split(push: Push, first: int, rest: int) -> tuple[Push, Push]:
    """Split a waiting push that was never sent: it keeps its ``first`` reports, a push with the
    id ``rest`` takes the others. Both stay due when the whole was.
    """
    return (
        replace(push, count=first),
        replace(
            push,
            id=rest,
            first_seq=push.first_seq + first,
            count=push.count - first,
            state=advance(None, Event.QUEUED),
        ),
    )


class Expired(msgspec.Struct, frozen=True, gc=False):
    """What a waiting push becomes when retention removes its oldest reports."""

    reports: int
    """How many of its reports are gone."""
    push: Push | None
    """The push as it continues; None when it is gone with all of its reports."""
    rest: Push | None = None
    """A new push with the newer reports of one that was sent before."""


def expire(
    push: Push, end: int, accepted_at: Milliseconds | None, new_id: Callable[[], int]
) -> Expired:
    """Take the reports below ``end`` out of a waiting push.

    :param accepted_at: when the report at ``end`` was accepted, if it is known.
    """
    if push.end_seq <= end:
        return Expired(push.count, None)
    gone, left = end - push.first_seq, push.end_seq - end
    accepted_at = push.accepted_at if accepted_at is None else accepted_at
    if not push.attempts:
        shorter = replace(push, first_seq=end, count=left, accepted_at=accepted_at)
        return Expired(gone, shorter)
    rest = replace(
        push,
        id=new_id(),
        first_seq=end,
        count=left,
        attempts=0,
        accepted_at=accepted_at,
        redrive_of=push.id,
        state=advance(None, Event.QUEUED),
    )
    return Expired(gone, replace(push, state=advance(push.state, Event.OUTLIVED)), rest)
