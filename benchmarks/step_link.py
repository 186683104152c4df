"""What the messages between the two halves cost: both ends of a link in one process."""

import asyncio
import socket
from collections.abc import Sequence

from statuspush.core.batch import Batch
from statuspush.link.frames import Link
from statuspush.link.messages import FromWorker, Packing, Stored, Submitted, ToWorker, Unpacking
from statuspush.store.base import ClaimedPush, Recording


class Ends:
    """Two ends of a link in one process."""

    def __init__(self) -> None:
        self._packing = Packing()
        self._unpacking = Unpacking()
        self._waiting = 0
        self._recordings: Sequence[Recording] = ()
        self._all = asyncio.Event()

    async def open(self) -> None:
        """Connect the ends."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        self._decides: Link[FromWorker, ToWorker] = Link(
            FromWorker, ToWorker, receive=self._decide, lost=lambda: None
        )
        self._does: Link[ToWorker, FromWorker] = Link(
            ToWorker, FromWorker, receive=self._do, lost=lambda: None
        )
        await loop.create_connection(lambda: self._decides, sock=ours)
        await loop.create_connection(lambda: self._does, sock=theirs)

    async def append(self, batches: Sequence[Batch]) -> None:
        """Batches go over, and their results come back."""
        self._waiting = len(batches)
        self._all.clear()
        for number, batch in enumerate(batches):
            self._does.outgoing().submitted.append(Submitted(number, batch))
        await self._all.wait()

    async def push(self, claims: Sequence[ClaimedPush], recordings: Sequence[Recording]) -> None:
        """Claims go over; when all have come, their outcomes come back."""
        self._waiting, self._recordings = len(claims), recordings
        self._all.clear()
        for claim in claims:
            self._decides.outgoing().sends.append(self._packing.send(claim))
        await self._all.wait()

    async def close(self) -> None:
        """Hang up."""
        self._decides.close()
        self._does.close()
        await asyncio.sleep(0.01)

    def _decide(self, frame: FromWorker) -> None:
        for one in frame.submitted:
            self._decides.outgoing().stored.append(Stored(one.number, one.batch.reports, 0))
        self._count(len(frame.ended))

    def _do(self, frame: ToWorker) -> None:
        self._count(len(frame.stored))
        for send in frame.sends:
            self._unpacking.claim(send)
        self._waiting -= len(frame.sends)
        if frame.sends and not self._waiting:
            self._waiting = len(self._recordings)
            self._does.outgoing().ended.extend(self._recordings)

    def _count(self, arrived: int) -> None:
        self._waiting -= arrived
        if arrived and not self._waiting:
            self._all.set()
