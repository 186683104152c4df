"""An account in the engine's memory: its settings, its progress, its pushes under way.

Everything here is bounded by the numbers of accounts and of pushes under way, never by waiting
reports: those stay on disk, between ``cursor`` and ``next_seq``. It is rebuilt from disk at open.
Only the methods of this module change the fields.
"""

import heapq
from dataclasses import dataclass, field, replace
from typing import Any

from statuspush.core import turn
from statuspush.core.contract import Mode
from statuspush.core.kinds import Kind
from statuspush.core.lifecycle import State
from statuspush.core.moment import Milliseconds
from statuspush.core.push import Push
from statuspush.core.push_settings import PushSettings, body_limit
from statuspush.core.standing import Standing
from statuspush.core.turn import Due, Turn
from statuspush.store.sqlite.progress import Progress


@dataclass(slots=True)
class Totals:
    """Figures over all accounts, kept up to date as pushes and reports come and go."""

    reports: int = 0
    """Reports that wait or are being sent."""
    pushes: int = 0
    """Pushes that wait or are being sent."""
    sending: int = 0
    """Pushes being sent."""


@dataclass(slots=True, eq=False)
class AccountState:
    """One account as the engine works with it."""

    id: int
    account: str
    name: str
    created_at: Milliseconds
    kind: Kind[Any]
    settings: PushSettings
    progress: Progress
    totals: Totals
    revision: int = 1
    off: bool = field(init=False)
    """Whether its interface is off."""
    under_way: dict[int, Push] = field(default_factory=dict)
    """Pushes that wait or are being sent, by id."""
    in_flight: int = 0
    """How many of them are being sent."""
    reports_under_way: int = 0
    reports_in_flight: int = 0
    _fresh: list[Due] = field(default_factory=list)
    """Heap of waiting pushes that never failed."""
    _retries: list[Due] = field(default_factory=list)
    """Heap of pushes that wait for a retry."""
    _oldest: list[tuple[Milliseconds, int]] = field(default_factory=list)
    """Heap of (accepted, id) of waiting pushes."""
    queued: bool = False
    """Whether it is in a queue of :class:`~statuspush.store.sqlite.turns.Turns`."""
    queued_suspect: bool = False
    """Whether that queue is the one for suspect endpoints."""
    noted_due: Milliseconds | None = None

    def __post_init__(self) -> None:
        self.off = self.settings.mode is Mode.OFF

    @property
    def standing(self) -> Standing:
        """What is known about its endpoint."""
        return self.progress.standing

    @property
    def uncut(self) -> int:
        """Reports that are in no push, whether or not they will be."""
        return self.progress.next_seq - self.progress.cursor

    @property
    def backlog(self) -> int:
        """Reports that are in no push yet but will be."""
        return 0 if self.off else self.uncut

    @property
    def waiting_reports(self) -> int:
        """Reports that wait or are being sent."""
        return self.backlog + self.reports_under_way

    @property
    def byte_cap(self) -> int | None:
        """Largest body of a new push."""
        if self.settings.max_bytes is None and self.progress.learned_max_bytes is None:
            return None
        return body_limit(self.settings, self.progress.learned_max_bytes)

    @property
    def max_reports(self) -> int:
        """Most reports in one push."""
        return min(self.settings.max_reports, self.kind.max_reports)

    # reports (new ones are counted for many accounts in one go, in append.py)

    def cut(self, push: Push) -> None:
        """A new push takes the first reports that were in none; it is being sent."""
        # The reports stay counted: they were part of the backlog.
        count = push.count
        self.progress.cursor = push.first_seq + count
        self.under_way[push.id] = push
        self.reports_under_way += count
        self.in_flight += 1
        self.reports_in_flight += count
        self.totals.pushes += 1
        self.totals.sending += 1

    def pass_over(self, end: int) -> int:
        """Keep reports below ``end`` out of any push; return how many of them waited."""
        first = self.progress.cursor
        if first >= end:
            return 0
        waited = 0 if self.off else end - first
        self.progress.cursor = end
        self.totals.reports -= waited
        return waited

    def change(self, settings: PushSettings, revision: int) -> None:
        """New settings; before a change to or from ``off``, no report may be uncut."""
        self.settings, self.revision = settings, revision
        self.off = settings.mode is Mode.OFF
        self.noted_due = None

    # pushes

    def put(self, push: Push) -> None:
        """A new push waits, or one that waited has changed."""
        known = self.under_way.get(push.id)
        if known is not None:
            self._drop(known)
        self._hold(push)
        heapq.heappush(
            self._retries if push.failures else self._fresh,
            (push.due_at, push.first_seq, push.id),
        )
        heapq.heappush(self._oldest, (push.accepted_at, push.id))

    def claim(self, push: Push) -> None:
        """A waiting push is now being sent."""
        self._drop(self.under_way[push.id])
        self._hold(push)
        self._begin(push)

    def adopt(self, push: Push) -> None:
        """A push that is being sent was read from disk."""
        self._hold(push)
        self._begin(push)

    def extend(self, push: Push) -> None:
        """The lease of a push that is being sent ends later."""
        self.under_way[push.id] = push

    def free(self, push: Push) -> None:
        """A push is not being sent any more: it waits again, or has ended."""
        self._drop(push)
        self.in_flight -= 1
        self.reports_in_flight -= push.count
        self.totals.sending -= 1
        if push.state is State.WAITING:
            self.put(push)
        else:
            self._count(push)

    def end(self, push: Push) -> None:
        """A waiting push has ended."""
        self._drop(self.under_way[push.id])
        self._count(push)

    def remove(self, push: Push) -> None:
        """A waiting push is gone with its reports."""
        self._drop(push)

    def cover(self, push: Push) -> None:
        """A push that is not to be sent takes the reports that were in none."""
        self.pass_over(push.end_seq)
        self._count(push)

    def holds(self, seq: int) -> bool:
        """Whether that report waits or is being sent. From any thread."""
        if self.off:
            return False
        if seq >= self.progress.cursor:
            return True
        return any(p.first_seq <= seq < p.end_seq for p in list(self.under_way.values()))

    def overtake(self, final: State, reports: int) -> None:
        """Reports of a push in a final state are in newer pushes and counted there."""
        self.progress.count(final, pushes=0, reports=-reports)

    def forget(self) -> None:
        """The account is deleted."""
        self.totals.reports -= self.waiting_reports
        self.totals.pushes -= len(self.under_way)
        self.totals.sending -= self.in_flight
        self.under_way.clear()
        self._fresh.clear()
        self._retries.clear()
        self._oldest.clear()
        self.in_flight = self.reports_under_way = self.reports_in_flight = 0
        # It may still be in a queue.
        self.change(replace(self.settings, mode=Mode.OFF), self.revision)

    def _hold(self, push: Push) -> None:
        self.under_way[push.id] = push
        self.reports_under_way += push.count
        self.totals.reports += push.count
        self.totals.pushes += 1

    def _drop(self, push: Push) -> None:
        del self.under_way[push.id]
        self.reports_under_way -= push.count
        self.totals.reports -= push.count
        self.totals.pushes -= 1

    def _begin(self, push: Push) -> None:
        self.in_flight += 1
        self.reports_in_flight += push.count
        self.totals.sending += 1

    def _count(self, push: Push) -> None:
        self.progress.count(push.state, pushes=1, reports=push.count)

    # what is next

    def may_claim(self) -> bool:
        """Whether another push may be claimed."""
        settings = self.settings
        return turn.may_claim(
            mode=settings.mode,
            url=settings.url,
            standing=self.progress.standing,
            max_in_flight=settings.max_in_flight,
            in_flight=self.in_flight,
        )

    def next_turn(self, now: Milliseconds) -> Turn | None:
        """What it sends next, if it may send anything."""
        if not self._fresh and not self._retries:  # nearly always
            progress = self.progress
            return Turn(now, None) if progress.next_seq > progress.cursor else None
        return turn.next_turn(
            failing=self.standing.failing,
            fresh=self._top(self._fresh),
            retry=self._top(self._retries),
            uncut=self.uncut,
            now=now,
        )

    def retry_due_at(self) -> Milliseconds | None:
        """When the first of its waiting pushes is due."""
        first = [due[0] for due in (self._top(self._retries), self._top(self._fresh)) if due]
        return first[0] if first and self.standing.failing else min(first, default=None)

    def oldest_waiting_at(self) -> Milliseconds | None:
        """When the oldest report in a waiting push was accepted."""
        heap = self._oldest
        while heap:
            accepted_at, push_id = heap[0]
            push = self.under_way.get(push_id)
            if push is not None and push.state is State.WAITING and push.accepted_at == accepted_at:
                return accepted_at
            heapq.heappop(heap)
        return None

    def _top(self, heap: list[Due]) -> Due | None:
        while heap:
            due_at, _, push_id = heap[0]
            push = self.under_way.get(push_id)
            if push is not None and push.state is State.WAITING and push.due_at == due_at:
                return heap[0]
            heapq.heappop(heap)  # gone, claimed, or with another due time by now
        return None
