"""The one registry of open sends: which worker sends what since when, and how much room is left.

Sends to endpoints in good standing and to suspect ones have separate room. One that turns out slow
is moved over while it runs, so that only quick sends hold the room of the good ones, whatever the
others do.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from zlib import crc32

from statuspush.core.moment import Milliseconds
from statuspush.store.base import ClaimedPush, Recording, interrupted


class Sender(Protocol):
    """A worker, as far as sending is concerned."""

    def send(self, claim: ClaimedPush) -> None:
        """Send a claimed push; its outcome is reported later."""
        ...

    def break_off(self) -> None:
        """Cancel the open sends; each is reported as interrupted."""
        ...


@dataclass(frozen=True, slots=True)
class _Open:
    claim: ClaimedPush
    sender: Sender
    started_at: Milliseconds


class OpenSends:
    """Which sends are open.

    :param good: most open sends to endpoints in good standing.
    :param suspect: most open sends to failing or slow ones (sends moved over may exceed it).
    :param slow_seconds: a send that takes longer is slow.
    """

    def __init__(self, *, good: int, suspect: int, slow_seconds: float) -> None:
        self._good_limit = good
        self._suspect_limit = suspect
        self._slow_ms = slow_seconds * 1000
        self._open: dict[int, _Open] = {}
        self._good: OrderedDict[int, Milliseconds] = OrderedDict()
        self._senders: list[Sender] = []
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._open)

    def room(self) -> tuple[int, int]:
        """How many sends may begin now, to endpoints in good standing and to suspect ones."""
        if not self._senders:
            return 0, 0
        good = len(self._good)
        return (
            max(0, self._good_limit - good),
            max(0, self._suspect_limit - (len(self._open) - good)),
        )

    def join(self, sender: Sender) -> None:
        """A worker is ready."""
        self._senders.append(sender)

    def leave(self, sender: Sender, now: Milliseconds) -> list[Recording]:
        """A worker is gone: returns what to record for the sends that it had open.

        It is unknown whether the customers got them.
        """
        if sender in self._senders:
            self._senders.remove(sender)
        lost = [send for send in self._open.values() if send.sender is sender]
        return self.ended([interrupted(s.claim, s.started_at, now) for s in lost])

    def begin(self, claims: Iterable[ClaimedPush], now: Milliseconds) -> list[Recording]:
        """Have claimed pushes sent; returns what to record for those that no worker can send.

        An account keeps its worker while none joins or leaves, so that its connection is reused.
        """
        senders = self._senders
        unsent = []
        for claim in claims:
            if not senders:  # the last one died after the claim
                unsent.append(interrupted(claim, now, now))
                continue
            sender = senders[crc32(claim.account.encode()) % len(senders)]
            self._open[claim.token] = _Open(claim, sender, now)
            if not claim.suspect:
                self._good[claim.token] = now
            sender.send(claim)
        if self._open:
            self._idle.clear()
        return unsent

    def ended(self, recordings: Iterable[Recording]) -> list[Recording]:
        """Sends have ended; returns those that were open."""
        known = []
        for recording in recordings:
            if self._open.pop(recording.token, None) is None:
                continue  # from a worker that was given up
            self._good.pop(recording.token, None)
            known.append(recording)
        if not self._open:
            self._idle.set()
        return known

    def move_slow(self, now: Milliseconds) -> None:
        """Count sends that have become slow as suspect ones.

        While there is no room left, the limit is shorter: a thousand customers that stop answering
        at the same moment would otherwise keep it from everybody else that long.
        """
        patience = self._slow_ms if len(self._good) < self._good_limit else self._slow_ms / 5
        while self._good:
            token, began = next(iter(self._good.items()))
            if now - began < patience:
                break
            del self._good[token]

    def break_off(self) -> None:
        """Have the workers cancel their open sends; each is recorded but does not count."""
        for sender in self._senders:
            sender.break_off()

    async def settled(self, seconds: float) -> bool:
        """Wait until no send is open; False if some still are after that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
