"""Dispatch: which worker sends a claimed push, and what becomes of the claims of a dead one."""

import asyncio
from collections.abc import Callable
from typing import Protocol
from zlib import crc32

from statuspush.clock import Clock, Milliseconds
from statuspush.flow.lanes import Lanes
from statuspush.flow.send import broken_off
from statuspush.store.base import ClaimedPush, Recording
from statuspush.workers.claims import Hand

_BREAK_OFF_SECONDS = 2.0
"""How long the workers may take to tell of the sends that they broke off."""


class Desk(Protocol):
    """A worker, as far as sending is concerned (an end of a link to it)."""

    def tell(self, name: str, *args: object) -> None:
        """Have the worker do something."""
        ...


class Dispatch:
    """Hands claims to the workers and takes their outcomes back.

    :param put: takes each outcome, to be recorded.
    :param freed: called when a lane is free again.
    """

    def __init__(
        self,
        lanes: Lanes,
        clock: Clock,
        *,
        put: Callable[[Recording], None],
        freed: Callable[[], None],
    ) -> None:
        self._lanes = lanes
        self._clock = clock
        self._put = put
        self._freed = freed
        self._hand = Hand()
        self._desks: list[Desk] = []
        self._open: dict[int, tuple[ClaimedPush, Milliseconds, Desk]] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        lanes.shut = True

    def join(self, desk: Desk) -> None:
        """A worker is ready."""
        self._desks.append(desk)
        self._lanes.shut = False
        self._freed()

    def leave(self, desk: Desk) -> None:
        """A worker is gone; whether the customers got what it was sending, nobody knows."""
        if desk in self._desks:
            self._desks.remove(desk)
        self._lanes.shut = not self._desks
        now = self._clock.now()
        for claim, started_at, owner in list(self._open.values()):
            if owner is desk:
                self.ended(broken_off(claim, started_at, now, due_at=now))

    def start(self, claim: ClaimedPush) -> None:
        """Have a claimed push sent; an account has a worker of its own while none joins or leaves,
        so that its connection is used again.
        """
        now = self._clock.now()
        if not self._desks:  # the last one died after the claim
            self._lanes.leave(claim)
            self._put(broken_off(claim, now, now, due_at=now))
            return
        desk = self._desks[crc32(claim.account.encode()) % len(self._desks)]
        self._open[claim.token] = (claim, now, desk)
        self._idle.clear()
        desk.tell("send", self._hand.over(claim))

    def ended(self, recording: Recording) -> None:
        """A send has ended."""
        found = self._open.pop(recording.token, None)
        if found is None:
            return  # of a worker that was given up
        self._lanes.leave(found[0])
        self._put(recording)
        self._freed()
        if not self._open:
            self._idle.set()

    async def finish(self, seconds: float) -> int:
        """Wait for open sends, then break off the rest; return how many were broken off."""
        if await self._settled(seconds):
            return 0
        late = len(self._open)
        self.break_off()
        await self._settled(_BREAK_OFF_SECONDS)
        return late

    async def _settled(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def break_off(self) -> None:
        """Have the workers cancel their open sends; each is recorded, and does not count."""
        for desk in self._desks:
            desk.tell("break_off")
