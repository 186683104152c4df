"""Lanes: how many sends may be open at once, so that slow endpoints never take others' room.

A send begins in the good lane if its endpoint's last attempt was acknowledged in time, else in
the suspect lane. One that turns out slow is moved over while it runs: the good lane is only
held by sends that are quick, whatever the others do.
"""

from collections import OrderedDict

from statuspush.clock import Milliseconds
from statuspush.store.base import ClaimedPush


class Lanes:
    """Counts open sends.

    :param good: most open sends to endpoints in good standing.
    :param suspect: most open sends to failing or slow ones (those moved over may exceed it).
    :param slow_seconds: a send that takes longer is slow.
    """

    def __init__(self, *, good: int, suspect: int, slow_seconds: float) -> None:
        self._good_limit = good
        self._suspect_limit = suspect
        self._slow_ms = slow_seconds * 1000
        self._good: OrderedDict[int, Milliseconds] = OrderedDict()
        self._suspect: set[int] = set()
        self.shut = False
        """No send may begin now, because there is nobody to send."""

    def enter(self, claim: ClaimedPush, now: Milliseconds) -> None:
        """A send begins."""
        if claim.suspect:
            self._suspect.add(claim.token)
        else:
            self._good[claim.token] = now

    def leave(self, claim: ClaimedPush) -> None:
        """A send ended."""
        if self._good.pop(claim.token, None) is None:
            self._suspect.discard(claim.token)

    def move_slow(self, now: Milliseconds) -> bool:
        """Move sends that have become slow out of the good lane; True if any was.

        While the lane is full, patience is short: a thousand customers that stop answering at once
        would hold it from everybody else for as long as it lasts.
        """
        patience = self._slow_ms if len(self._good) < self._good_limit else self._slow_ms / 5
        moved = False
        while self._good:
            token, began = next(iter(self._good.items()))
            if now - began < patience:
                break
            del self._good[token]
            self._suspect.add(token)
            moved = True
        return moved

    @property
    def open(self) -> int:
        """Sends under way."""
        return len(self._good) + len(self._suspect)

    def free(self) -> tuple[int, int]:
        """How many sends may begin now, to endpoints in good standing and to suspect ones."""
        if self.shut:
            return 0, 0
        return (
            max(0, self._good_limit - len(self._good)),
            max(0, self._suspect_limit - len(self._suspect)),
        )
