"""Cut: decide when waiting reports become pushes, and claim what may be sent now.

There is no linger timer. While the machine has time, an account with nothing under way is cut
at once; what arrives while its push is being sent gathers into the next. How large pushes grow
under load is decided here too, by how many are begun at a time.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from statuspush.clock import Clock
from statuspush.core.errors import ServiceError
from statuspush.flow.lanes import Lanes
from statuspush.store.base import ClaimedPush, Store

_log = structlog.get_logger("cut")

ROUND = 64
"""Most pushes begun in one round; between rounds, submissions and answers get their turn."""
_LANE_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 1.0
"""The loop's timers stand still while the machine is suspended; the clock goes on."""
_STORE_PAUSE_SECONDS = 0.5


class Cut:
    """The second step of the flow.

    :param start: begins the send of a claimed push and returns at once.
    :param lease_seconds: a claim must outlive the longest send; added to an account's own
        timeout, which is unknown before the claim.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        lanes: Lanes,
        start: Callable[[ClaimedPush], None],
        *,
        lease_seconds: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._lanes = lanes
        self._start = start
        self._lease_ms = int(lease_seconds * 1000)
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """There may be something to send: reports, a free lane, a changed setting."""
        self._woken.set()

    def stop(self) -> None:
        """Begin no more sends."""
        self._stopping = True
        self._woken.set()

    async def run_once(self) -> int:
        """Claim one round of pushes and start their sends; return how many."""
        # Here and not only after a wait: under steady work there is always a reason not to wait.
        self._lanes.move_slow(self._clock.now())
        good, suspect = self._lanes.free()
        good = min(good, ROUND)
        suspect = min(suspect, ROUND)
        if not (good or suspect):
            return 0
        claims = await self._store.claim_pushes(
            self._clock.now(), limit=good, suspect_limit=suspect, lease_ms=self._lease_ms
        )
        if self._stopping:
            await self._store.release_claims(claims, self._clock.now())
            return 0
        began = self._clock.now()
        for claim in claims:
            self._lanes.enter(claim, began)
            self._start(claim)
        return len(claims)

    async def run(self) -> None:
        """Cut whenever there is something to send, until stopped."""
        while not self._stopping:
            self._woken.clear()
            try:
                while not self._stopping and await self.run_once():
                    await asyncio.sleep(0)
                await self._wait()
            except ServiceError as error:
                _log.warning("cannot claim pushes, trying again", error=str(error))
                await asyncio.sleep(_STORE_PAUSE_SECONDS)

    async def _wait(self) -> None:
        """Wait until something changes, a waiting push falls due, or a send may be slow."""
        seconds = _LONGEST_WAIT_SECONDS
        if self._lanes.open:
            seconds = min(seconds, _LANE_SECONDS)
        due = await self._store.next_due()
        if due is not None and any(self._lanes.free()):  # else a lane that frees wakes us
            seconds = min(seconds, max(0.0, (due - self._clock.now()) / 1000))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
