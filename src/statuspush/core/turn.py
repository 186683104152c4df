"""An account's turn: what it may send next, given its settings, its endpoint and what waits.

Pushes that wait are sent before anything new is cut, except retries that are not due: while the
endpoint is failing, its retry goes first and alone (contract section 4); otherwise new reports
need not wait for a retry of older ones.
"""

import msgspec

from statuspush.core.contract import Mode
from statuspush.core.moment import Milliseconds
from statuspush.core.standing import Standing

Due = tuple[Milliseconds, int, int]
"""(due, first seq, id) of a waiting push: an account's pushes are sent in this order."""


class Turn(msgspec.Struct, frozen=True, gc=False):
    """What an account sends next."""

    due_at: Milliseconds
    """When it may be sent; a time in the past means now."""
    push: int | None
    """The waiting push; None for a new one, to be cut from reports that are in no push."""


def may_claim(
    *, mode: Mode, url: str | None, standing: Standing, max_in_flight: int, in_flight: int
) -> bool:
    """May another push of the account be claimed? While its endpoint is failing, only one may."""
    return (
        mode is Mode.ON
        and url is not None
        and in_flight < max_in_flight
        and (not in_flight or not standing.failing)
    )


def next_turn(
    *, failing: bool, fresh: Due | None, retry: Due | None, uncut: int, now: Milliseconds
) -> Turn | None:
    """What an account sends next, given that it may claim a push; None if nothing waits.

    :param fresh: the first of its waiting pushes that never failed.
    :param retry: the first that did fail.
    :param uncut: reports that are in no push yet.
    """
    if fresh is None and retry is None:
        return Turn(now, None) if uncut else None
    if retry is None:
        first = fresh
    elif fresh is None or failing:
        first = retry
    else:
        first = min(retry, fresh)
    assert first is not None
    if first[0] > now and uncut and fresh is None and not (failing and retry is not None):
        return Turn(now, None)
    return Turn(first[0], first[2])


def learn(known: int | None, half_bytes: int) -> int:
    """The size learned from a 413, given what was known before."""
    return half_bytes if known is None else min(known, half_bytes)
