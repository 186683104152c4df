"""The one registry of open sends: who is sending what since when, and how much room is left.

Sends to endpoints in good standing and to suspect ones have separate room. One that turns out slow
is moved over while it runs: the room of the good ones is only held by sends that are quick,
whatever the others do.
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
    :param suspect: most open sends to failing or slow ones (those moved over may exceed it).
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
        """A worker is gone: what is to be recorded of the sends that it had open.

        Whether the customers got them nobody knows.
        """
        if sender in self._senders:
            self._senders.remove(sender)
        lost = [send for send in self._open.values() if send.sender is sender]
        return self.ended([interrupted(s.claim, s.started_at, now) for s in lost])

    def begin(self, claims: Iterable[ClaimedPush], now: Milliseconds) -> list[Recording]:
        """Have claimed pushes sent; what is to be recorded of those that nobody can send.

        An account has one worker while none joins or leaves, so that its connection is used again.
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
        """Sends have ended; those of them that were open."""
        known = []
        for recording in recordings:
            if self._open.pop(recording.token, None) is None:
                continue  # of a worker that was given up
            self._good.pop(recording.token, None)
            known.append(recording)
        if not self._open:
            self._idle.set()
        return known

    def move_slow(self, now: Milliseconds) -> None:
        """Count sends that have become slow among the suspect ones.

        While there is no more room, patience is short: a thousand customers that stop answering
        in the same moment would hold it from everybody else for as long as it lasts.
        """
        patience = self._slow_ms if len(self._good) < self._good_limit else self._slow_ms / 5
        while self._good:
            token, began = next(iter(self._good.items()))
            if now - began < patience:
                break
            del self._good[token]

    def break_off(self) -> None:
        """Have the workers cancel their open sends; each is recorded, and does not count."""
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
