"""The life of a push: its states as a table, and what follows a send (contract section 4).

Every change of state goes through :data:`TABLE`, whichever engine stores it. Everything here is a
function of its arguments; times are passed in and handed back.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import msgspec

from statuspush.core.errors import ServiceError
from statuspush.core.kinds.kind import Kind
from statuspush.core.moment import Milliseconds
from statuspush.core.outcome import Outcome


class State(StrEnum):
    """Where a push stands, as stored and shown."""

    WAITING = "waiting"
    """To be sent when it is due, for the first time or again."""
    SENDING = "sending"
    """Claimed by a sender."""
    DELIVERED = "delivered"
    """Acknowledged by the customer."""
    EXHAUSTED = "exhausted"
    """Failed as often as the contract allows; kept, and redrivable by hand."""
    CANCELLED = "cancelled"
    """Taken back: the interface was switched off, or other pushes took over its reports."""

    __hash__ = str.__hash__  # Enum's is Python code, and every change of state uses it


FINAL: Final = (State.DELIVERED, State.EXHAUSTED, State.CANCELLED)
"""States that no push leaves: a redrive makes a new push."""


class Event(StrEnum):
    """What happens to a push."""

    CUT = "cut"
    """Made of waiting reports, and claimed in the same moment."""
    QUEUED = "queued"
    """Made by a redrive, a halving or a split, to be sent when it is due."""
    COVERED = "covered"
    """Made of reports that are not to be sent, because the interface was off."""
    CLAIMED = "claimed"
    """A sender has it."""
    RETURNED = "returned"
    """The claim was given back, or taken back from a lost sender."""
    ACKNOWLEDGED = "acknowledged"
    """The customer acknowledged it."""
    FAILED = "failed"
    """The send failed or was broken off, and will be repeated."""
    GIVEN_UP = "given_up"
    """The send failed for the last time."""
    HALVED = "halved"
    """The customer refused its size; two new pushes take its reports."""
    SWITCHED_OFF = "switched_off"
    """The interface was switched off while it waited, or before it was repeated."""
    OUTLIVED = "outlived"
    """Retention removed its oldest reports; a new push has the newer ones."""

    __hash__ = str.__hash__  # as above


TABLE: Final[Mapping[tuple[State | None, Event], State]] = MappingProxyType(
    {
        (None, Event.CUT): State.SENDING,
        (None, Event.QUEUED): State.WAITING,
        (None, Event.COVERED): State.CANCELLED,
        (State.WAITING, Event.CLAIMED): State.SENDING,
        (State.WAITING, Event.SWITCHED_OFF): State.CANCELLED,
        (State.WAITING, Event.OUTLIVED): State.CANCELLED,
        (State.SENDING, Event.RETURNED): State.WAITING,
        (State.SENDING, Event.ACKNOWLEDGED): State.DELIVERED,
        (State.SENDING, Event.FAILED): State.WAITING,
        (State.SENDING, Event.GIVEN_UP): State.EXHAUSTED,
        (State.SENDING, Event.HALVED): State.CANCELLED,
        (State.SENDING, Event.SWITCHED_OFF): State.CANCELLED,
    }
)
"""The state machine: (state, event) to the next state. None: the push does not exist yet."""


class ForbiddenTransition(ServiceError):
    """Something happened to a push that cannot happen in its state: a defect of ours."""


def advance(state: State | None, event: Event) -> State:
    """The state that follows. Raises :class:`ForbiddenTransition`."""
    after = TABLE.get((state, event))
    if after is None:
        raise ForbiddenTransition(f"a push that is {state or 'not made'} cannot be {event}")
    return after


class Deliver(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The push is acknowledged and done."""


class Retry(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The push is to be sent again, unchanged."""

    due_at: Milliseconds


class Exhaust(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The push has failed for the last time."""


class Halve(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The push is too large: its reports become two pushes, due immediately."""

    half_bytes: int = 0
    """Body size of the larger half in bytes: the limit for the account from now on."""


Decision = Deliver | Retry | Exhaust | Halve


def decide(
    outcome: Outcome,
    *,
    failures: int,
    reports: int,
    ended_at: Milliseconds,
    retry_interval_ms: int,
    kind: Kind[Any],
) -> Decision:
    """Decide what follows a send (contract sections 2 "Size" and 4).

    ``failures`` are the failed sends of this push before this one that count, ``reports`` the
    reports in it, ``ended_at`` the end of the send; a retry is due ``retry_interval_ms`` after it.

    A send that we broke off ourselves does not count and is due again immediately. Neither does a
    413 for more than one report, which halves the push; for a single report it is a failure like
    any other. The failure that uses up the sends of ``kind`` exhausts the push.
    """
    if outcome is Outcome.ACKNOWLEDGED:
        return DELIVER
    if outcome is Outcome.INTERRUPTED:
        return Retry(ended_at)
    if outcome is Outcome.TOO_LARGE and reports > 1:
        return Halve()
    if failures + 1 >= kind.max_sends:
        return Exhaust()
    return Retry(ended_at + retry_interval_ms)


DELIVER: Final = Deliver()
"""A shared instance, because nearly every send ends with it."""
