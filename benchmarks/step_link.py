"""What the calls between the two processes cost: both ends of a link in one process."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

from statuspush.core.batch import Batch
from statuspush.store.base import Appended, ClaimedPush, Recording
from statuspush.workers.claims import Hand, received
from statuspush.workers.link import Handler, Link


class Ends:
    """Two ends of a link in one process."""

    def __init__(self) -> None:
        self._claims: list[ClaimedPush] = []
        self._recordings = 0
        self._hand = Hand()
        self._all = asyncio.Event()

    async def open(self) -> None:
        """Connect the ends."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        handlers: dict[str, Handler] = {"store": self._append, "ended": self._ended}
        _, self._store = await loop.create_connection(
            lambda: Link(handlers, lost=lambda: None), sock=ours
        )
        _, self._worker = await loop.create_connection(
            lambda: Link({"send": self._send}, lost=lambda: None), sock=theirs
        )

    async def append(self, batches: Sequence[Batch], now: int) -> None:
        """Batches go over, and what became of them comes back."""
        await asyncio.gather(
            *(self._worker.call("store", "append_reports", batch, now) for batch in batches)
        )

    async def push(self, claims: Sequence[ClaimedPush], recordings: Sequence[Recording]) -> None:
        """Claims go over; when all have come, their outcomes come back."""
        self._waiting, self._answers = len(claims), recordings
        self._all.clear()
        for claim in claims:
            self._store.tell("send", self._hand.over(claim))
        await self._all.wait()

    async def close(self) -> None:
        """Hang up."""
        self._store.close()
        self._worker.close()
        await asyncio.sleep(0.01)

    async def _append(self, verb: str, batch: Batch, now: int) -> Appended:
        del verb, now
        return Appended(batch.reports, 0)

    def _send(self, handed: Any) -> None:
        received(handed)
        self._waiting -= 1
        if not self._waiting:
            self._waiting = len(self._answers)
            for recording in self._answers:
                self._worker.tell("ended", recording)

    def _ended(self, recording: Recording) -> None:
        del recording
        self._waiting -= 1
        if not self._waiting:
            self._all.set()
