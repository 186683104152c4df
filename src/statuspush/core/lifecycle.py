"""The life of a push: its states as a table, and what a send's outcome decides (section 4).

Everything here is a function of its arguments; times are passed in and handed back.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, assert_never

import msgspec

from statuspush.core.errors import ServiceError
from statuspush.core.kinds.kind import Kind
from statuspush.core.outcome import Outcome


class State(StrEnum):
    """Where a push stands, as stored and shown."""

    WAITING = "waiting"
    """To be sent when it is due: for the first time or again."""
    SENDING = "sending"
    """Claimed by a sender."""
    DELIVERED = "delivered"
    """Acknowledged by the customer."""
    EXHAUSTED = "exhausted"
    """Failed as often as the contract allows; kept, and redrivable by hand."""
    CANCELLED = "cancelled"
    """Taken back, because the interface was turned off, or replaced by its two halves."""


TRANSITIONS: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.WAITING: frozenset({State.SENDING, State.CANCELLED}),
        State.SENDING: frozenset(
            {State.WAITING, State.DELIVERED, State.EXHAUSTED, State.CANCELLED}
        ),
        State.DELIVERED: frozenset(),
        State.EXHAUSTED: frozenset(),
        State.CANCELLED: frozenset(),
    }
)
"""Which state may follow which. The last three are final: a redrive makes a new push."""


class ForbiddenTransition(ServiceError):
    """A push was to go from one state to another that cannot follow it."""


class Deliver(msgspec.Struct, frozen=True):
    """The push is acknowledged and done."""


class Retry(msgspec.Struct, frozen=True):
    """The push is to be sent again, unchanged."""

    due_at: int
    """When, in milliseconds since the epoch."""


class Exhaust(msgspec.Struct, frozen=True):
    """The push has failed for the last time."""


class Halve(msgspec.Struct, frozen=True):
    """The push is too large: its reports are split into two halves, to be sent immediately."""


Decision = Deliver | Retry | Exhaust | Halve


def decide(
    outcome: Outcome,
    *,
    failures: int,
    reports: int,
    ended_at: int,
    retry_interval_ms: int,
    kind: Kind[Any],
) -> Decision:
    """Decide what follows a send (contract sections 2 "Size" and 4).

    ``failures`` are the failed sends of this push before this one that count, ``reports`` the
    reports in it. ``ended_at`` is when the send ended, in milliseconds since the epoch; a retry is
    due ``retry_interval_ms`` after it.

    A send that we broke off ourselves does not count and is repeated immediately. Neither does a
    413 for more than one report, which halves the push; for a single report it is a failure like
    any other. The failure that uses up the sends of ``kind`` exhausts the push.
    """
    if outcome is Outcome.ACKNOWLEDGED:
        return Deliver()
    if outcome is Outcome.INTERRUPTED:
        return Retry(due_at=ended_at)
    if outcome is Outcome.TOO_LARGE and reports > 1:
        return Halve()
    if failures + 1 >= kind.max_sends:
        return Exhaust()
    return Retry(due_at=ended_at + retry_interval_ms)


def next_state(decision: Decision) -> State:
    """Give the state that a push being sent takes on by ``decision``.

    A halved push is cancelled; its halves are new pushes, since what is sent under an id must
    never change.
    """
    match decision:
        case Deliver():
            state = State.DELIVERED
        case Retry():
            state = State.WAITING
        case Halve():
            state = State.CANCELLED
        case Exhaust():
            state = State.EXHAUSTED
        case _:
            assert_never(decision)
    check_transition(State.SENDING, state)
    return state


def check_transition(before: State, after: State) -> None:
    """Raise :class:`ForbiddenTransition` unless :data:`TRANSITIONS` lets ``after`` follow."""
    if after not in TRANSITIONS[before]:
        raise ForbiddenTransition(f"a push that is {before} cannot become {after}")
