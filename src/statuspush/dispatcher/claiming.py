"""Claiming: decide when waiting reports become pushes, and send what may be sent now.

There is no linger timer. While the machine has capacity, an account with nothing under way gets a
push immediately; what arrives while that is being sent goes into the next. How many pushes are
begun in one round also decides how large they grow under load.
"""

import asyncio
import contextlib

import structlog

from statuspush.clock import Clock
from statuspush.core.errors import ServiceError
from statuspush.dispatcher.open_sends import OpenSends
from statuspush.dispatcher.recording import Recorder
from statuspush.store.contracts import Dispatching

_log = structlog.get_logger("claim")

ROUND = 64
"""Most pushes begun in one round; between rounds, submissions and outcomes get their turn."""
SMALL_ROUND = 24
"""Most of them while every round is full and submissions keep coming: what is left of the time goes
to submissions, so that pushes grow, and a large push costs little more than a small one."""
_ROOM_SECONDS = 0.05
"""Interval of looks while sends are open: one may become slow and free its room for others."""
_LONGEST_WAIT_SECONDS = 1.0
"""Longest wait: the loop's timers stop while the machine is suspended, the clock does not."""
_STORE_PAUSE_SECONDS = 0.5


class Claiming:
    """Claims pushes whenever there may be something to send.

    :param owner: the owner of the claims.
    :param lease_seconds: a claim must outlive the longest send and its recording.
    """

    def __init__(
        self,
        store: Dispatching,
        clock: Clock,
        open_sends: OpenSends,
        recorder: Recorder,
        *,
        owner: str,
        lease_seconds: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._open = open_sends
        self._recorder = recorder
        self._owner = owner
        self._lease_ms = int(lease_seconds * 1000)
        self._woken = asyncio.Event()
        self._expecting = False
        self._submitted = False
        """Something was submitted since the last round."""
        self._full = False
        """The last round began as many as it might."""
        self._stopping = False
        store.listen(self.wake)

    def wake(self) -> None:
        """There may be something to send: a send has ended, or a setting has changed."""
        self._woken.set()

    def expect(self, *, submitted: bool = False) -> None:
        """The store was just given something that will make work for us.

        A claim is requested right after it, so that an engine that groups calls can do both in one
        commit.
        """
        self._expecting = True
        self._submitted |= submitted
        self._woken.set()

    def stop(self) -> None:
        """Begin no more sends."""
        self._stopping = True
        self._woken.set()

    async def run_once(self) -> int:
        """Claim one round of pushes and begin their sends; return how many."""
        # Not only after a wait: under steady load there never is one.
        now = self._clock.now()
        self._open.move_slow(now)
        good, suspect = self._open.room()
        most = SMALL_ROUND if self._full and self._submitted else ROUND
        good, suspect = min(good, most), min(suspect, most)
        self._full = self._submitted = False
        expecting, self._expecting = self._expecting, False
        if not (good or suspect):
            return 0
        if not (expecting or self._store.may_claim(now, limit=good, suspect_limit=suspect)):
            return 0
        claims = await self._store.claim_pushes(
            now,
            limit=good,
            suspect_limit=suspect,
            lease_ms=self._lease_ms,
            owner=self._owner,
        )
        self._full = len(claims) >= most
        if not claims:
            return 0
        if self._stopping:
            await self._store.release_claims(claims, self._clock.now())
            return 0
        self._recorder.put(self._open.begin(claims, self._clock.now()))
        return len(claims)

    async def run(self) -> None:
        """Claim whenever there is something to send, until stopped."""
        while not self._stopping:
            self._woken.clear()
            try:
                while not self._stopping and (await self.run_once() or self._expecting):
                    await asyncio.sleep(0)
                await self._wait()
            except ServiceError as error:
                _log.warning("cannot claim pushes, trying again", error=str(error))
                await asyncio.sleep(_STORE_PAUSE_SECONDS)

    async def _wait(self) -> None:
        """Wait until something changes, a waiting push falls due, or a send may be slow."""
        seconds = _LONGEST_WAIT_SECONDS
        if len(self._open):
            seconds = min(seconds, _ROOM_SECONDS)
        due = self._store.next_due()
        if due is not None and any(self._open.room()):  # else the end of a send wakes us
            seconds = min(seconds, max(0.0, (due - self._clock.now()) / 1000))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
