"""Claimed pushes on their way to a worker, in a form that costs little to hand over."""

import pickle
from functools import lru_cache

from statuspush.core.settings import PushSettings
from statuspush.store.base import ClaimedPush

Handed = tuple[str, str, bytes, bytes, int, int, int, int, int, bool]
"""The fields of a :class:`~statuspush.store.base.ClaimedPush`, its settings pickled."""


class Hand:
    """Hands claims over; each account's settings are pickled when they change, not each time."""

    def __init__(self) -> None:
        self._pickled: dict[str, tuple[PushSettings, bytes]] = {}

    def over(self, claim: ClaimedPush) -> Handed:
        """The claim as it goes to the worker."""
        known = self._pickled.get(claim.account)
        if known is None or known[0] is not claim.settings:
            known = (claim.settings, pickle.dumps(claim.settings, pickle.HIGHEST_PROTOCOL))
            self._pickled[claim.account] = known
        return (
            claim.id,
            claim.account,
            known[1],
            claim.fragments,
            claim.reports,
            claim.attempt,
            claim.failures,
            claim.token,
            claim.created_at,
            claim.suspect,
        )


@lru_cache(maxsize=8192)
def _settings(pickled: bytes) -> PushSettings:
    settings: PushSettings = pickle.loads(pickled)  # noqa: S301 (from our own store process)
    return settings


def received(handed: Handed) -> ClaimedPush:
    """The claim that was handed over."""
    push, account, settings, fragments, reports, attempt, failures, token, created, suspect = handed
    return ClaimedPush(
        push,
        account,
        _settings(settings),
        fragments,
        reports,
        attempt,
        failures,
        token,
        created,
        suspect,
    )
