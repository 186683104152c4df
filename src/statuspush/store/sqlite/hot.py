"""The hot state: what each account waits for, and whose turn it is. Rebuilt from disk at open.

Everything here is bounded by accounts and by pushes under way, never by reports that wait:
those stay on disk, between ``cursor`` and ``next_seq``.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from statuspush.clock import Milliseconds
from statuspush.core.contract import Mode
from statuspush.core.lifecycle import State
from statuspush.core.outcome import Verdict
from statuspush.core.settings import PushSettings

_Entry = tuple[Milliseconds, int, int]
"""(due, first seq, push id) of a waiting push."""


class PushUnderWay(msgspec.Struct, gc=False):
    """A push that waits or is being sent."""

    id: int
    account: int
    first_seq: int
    count: int
    attempts: int
    failures: int
    accepted_at: Milliseconds
    due_at: Milliseconds
    redrive_of: int | None = None
    url: str | None = None
    """Where it was sent at the present claim."""
    token: int | None = None
    """Set while it is claimed."""
    shown: str = ""
    """Its id as it is shown, set at the claim."""
    claimed_until: Milliseconds = 0

    @property
    def end_seq(self) -> int:
        """One past its last report."""
        return self.first_seq + self.count


@dataclass(slots=True)
class Tally:
    """Pushes in a final state and the reports in them."""

    pushes: int = 0
    reports: int = 0

    def add(self, reports: int, pushes: int = 1) -> None:
        """Count pushes with so many reports in all (negative when retention removes them)."""
        self.pushes += pushes
        self.reports += reports


@dataclass(slots=True, eq=False)
class AccountState:
    """One account as the engine works with it."""

    id: int
    account: str
    name: str
    created_at: Milliseconds
    settings: PushSettings
    revision: int = 0
    """Of the settings; grows with each change of them."""
    learned_max_bytes: int | None = None
    next_seq: int = 1
    cursor: int = 1
    """The first seq that is in no push yet."""
    pull_cursor: int = 1
    tallies: dict[State, Tally] = field(
        default_factory=lambda: {
            State.DELIVERED: Tally(),
            State.EXHAUSTED: Tally(),
            State.CANCELLED: Tally(),
        }
    )
    expired: int = 0
    failures: int = 0
    """Failed attempts since the last acknowledgement, over all pushes."""
    trusted_since: int | None = None
    """A person redrove or changed the URL when this was the last token: it counts as not failing
    until the outcome of a later claim."""
    slow: bool = False
    last_verdict: Verdict | None = None
    last_attempt_at: Milliseconds | None = None
    last_delivered_at: Milliseconds | None = None
    under_way: dict[int, PushUnderWay] = field(default_factory=dict)
    fresh: list[_Entry] = field(default_factory=list)
    """Heap of pushes that wait and never failed."""
    retries: list[_Entry] = field(default_factory=list)
    """Heap of pushes that wait for a retry."""
    in_flight: int = 0
    queued: bool = False
    """It stands in a queue, in that of the suspect ones if ``queued_suspect``."""
    queued_suspect: bool = False
    noted_due: Milliseconds | None = None

    @property
    def failing(self) -> bool:
        """The last attempt failed, and nobody has said since that it is well again."""
        return self.failures > 0 and self.trusted_since is None

    @property
    def suspect(self) -> bool:
        """The endpoint's last attempt failed or was slow."""
        return self.failures > 0 or self.slow

    @property
    def backlog(self) -> int:
        """Reports that are in no push yet but will be."""
        return self.next_seq - self.cursor if self.settings.mode is not Mode.OFF else 0

    def put(self, push: PushUnderWay) -> None:
        """Take in a push that waits."""
        self.under_way[push.id] = push
        heap = self.retries if push.failures else self.fresh
        heapq.heappush(heap, (push.due_at, push.first_seq, push.id))

    def drop_waiting(self) -> None:
        """Forget the order of waiting pushes, because they are all gone."""
        self.fresh.clear()
        self.retries.clear()

    def first_waiting(self) -> PushUnderWay | None:
        """The waiting push that is to be sent next; of a failing endpoint, its retry."""
        if not self.fresh and not self.retries:
            return None
        retry, fresh = self._top(self.retries), self._top(self.fresh)
        if retry is None or fresh is None:
            return retry or fresh
        if self.failing:
            return retry
        return min(retry, fresh, key=lambda push: (push.due_at, push.first_seq))

    def _top(self, heap: list[_Entry]) -> PushUnderWay | None:
        while heap:
            due, _, push_id = heap[0]
            push = self.under_way.get(push_id)
            if push is not None and push.token is None and push.due_at == due:
                return push
            heapq.heappop(heap)  # gone, claimed, or due at another time by now
        return None

    def may_send(self) -> bool:
        """Is a claim free: one while the endpoint fails, else ``max_in_flight``."""
        allowed = 1 if self.failing else self.settings.max_in_flight
        settings = self.settings
        return self.in_flight < allowed and settings.mode is Mode.ON and settings.url is not None

    def may_cut(self) -> bool:
        """Are there reports to cut, and no push that must be sent before them.

        That is one never sent yet, and the retry of a failing endpoint.
        """
        return (
            self.cursor < self.next_seq
            and self._top(self.fresh) is None
            and not (self.failing and self._top(self.retries))
        )

    def can_send(self, now: Milliseconds) -> bool:
        """Is a claim free, and is there a due push or something to cut for it."""
        return self.may_send() and self.has_work(now)

    def has_work(self, now: Milliseconds) -> bool:
        """Is there a due push, or something to cut."""
        if not self.fresh and not self.retries:
            return self.cursor < self.next_seq
        push = self.first_waiting()
        return (push is not None and push.due_at <= now) or self.may_cut()


class Turns:
    """Whose turn it is: accounts that can send now, in two queues, and those that must wait."""

    def __init__(self) -> None:
        self._good: OrderedDict[AccountState, None] = OrderedDict()
        self._suspect: OrderedDict[AccountState, None] = OrderedDict()
        self._due: list[tuple[Milliseconds, int, AccountState]] = []

    def consider(self, state: AccountState, now: Milliseconds) -> None:
        """Queue the account if it can send now; note the time if it can later."""
        if state.queued:
            if state.queued_suspect != state.suspect:  # it would wait for the wrong lane
                (self._suspect if state.queued_suspect else self._good).pop(state, None)
                self._queue(state)
            return
        if not state.may_send():
            return
        if state.has_work(now):
            self._queue(state)
            return
        push = state.first_waiting()
        if push is not None and state.noted_due != push.due_at:
            state.noted_due = push.due_at
            heapq.heappush(self._due, (push.due_at, state.id, state))

    def _queue(self, state: AccountState) -> None:
        state.queued, state.queued_suspect = True, state.suspect
        (self._suspect if state.suspect else self._good)[state] = None

    def advance(self, now: Milliseconds) -> None:
        """Queue the accounts whose time has come."""
        while self._due and self._due[0][0] <= now:
            _, _, state = heapq.heappop(self._due)
            state.noted_due = None
            self.consider(state, now)

    def work(self, now: Milliseconds, *, limit: int, suspect_limit: int) -> bool:
        """Would :meth:`take` give anything now?"""
        self.advance(now)
        return bool((limit and self._good) or (suspect_limit and self._suspect))

    def clear(self) -> None:
        """Forget everything; the accounts are considered anew."""
        self._good.clear()
        self._suspect.clear()
        self._due.clear()

    def next_due(self) -> Milliseconds | None:
        """The earliest time at which :meth:`advance` has something to do."""
        while self._due:
            due, _, state = self._due[0]
            push = state.first_waiting()
            if state.may_send() and push is not None and push.due_at == due:
                return due
            heapq.heappop(self._due)  # paused, cancelled or sent meanwhile: noted anew when due
            if state.noted_due == due:
                state.noted_due = None
        return None

    def take(self, now: Milliseconds, *, limit: int, suspect_limit: int) -> Iterator[AccountState]:
        """Accounts that can send now; :meth:`consider` puts one back for another turn.

        What an account is when its turn comes decides which limit it counts against, whichever
        queue it stood in; one that can't send any more takes no turn from the others.
        """
        left = {False: limit, True: suspect_limit}
        for queue, suspect in ((self._good, False), (self._suspect, True)):
            while queue and left[suspect]:
                state, _ = queue.popitem(last=False)
                state.queued = False
                if not state.can_send(now):
                    self.consider(state, now)
                elif not left[state.suspect]:
                    self._queue(state)
                else:
                    left[state.suspect] -= 1
                    yield state
