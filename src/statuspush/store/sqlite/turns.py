"""Whose turn it is: accounts that can send now, in two queues, and those that can send later."""

import heapq
from collections import OrderedDict
from collections.abc import Iterator

from statuspush.core.moment import Milliseconds
from statuspush.core.turn import Turn
from statuspush.store.sqlite.hot import AccountState


class Turns:
    """Accounts in good standing and suspect ones take turns, each in a separate queue."""

    def __init__(self) -> None:
        self._good: OrderedDict[AccountState, None] = OrderedDict()
        self._suspect: OrderedDict[AccountState, None] = OrderedDict()
        self._due: list[tuple[Milliseconds, int, AccountState]] = []

    def consider(self, state: AccountState, now: Milliseconds) -> None:
        """Queue the account if it can send now; note the time if it can later."""
        if state.queued:
            if state.queued_suspect != state.progress.standing.suspect:  # in the wrong queue
                (self._suspect if state.queued_suspect else self._good).pop(state, None)
                self._queue(state)
            return
        if not state.may_claim():
            return
        turn = state.next_turn(now)
        if turn is None:
            return
        if turn.due_at <= now:
            self._queue(state)
        elif state.noted_due != turn.due_at:
            state.noted_due = turn.due_at
            heapq.heappush(self._due, (turn.due_at, state.id, state))

    def _queue(self, state: AccountState) -> None:
        suspect = state.progress.standing.suspect
        state.queued, state.queued_suspect = True, suspect
        (self._suspect if suspect else self._good)[state] = None

    def advance(self, now: Milliseconds) -> None:
        """Queue the accounts whose time has come."""
        while self._due and self._due[0][0] <= now:
            _, _, state = heapq.heappop(self._due)
            state.noted_due = None
            self.consider(state, now)

    def work(self, now: Milliseconds, *, limit: int, suspect_limit: int) -> bool:
        """Whether :meth:`take` would return anything now."""
        self.advance(now)
        return bool((limit and self._good) or (suspect_limit and self._suspect))

    def clear(self) -> None:
        """Forget everything; all accounts will be considered again."""
        self._good.clear()
        self._suspect.clear()
        self._due.clear()

    def next_due(self) -> Milliseconds | None:
        """The earliest time at which :meth:`advance` has something to do."""
        while self._due:
            due, _, state = self._due[0]
            turn = state.next_turn(due - 1) if state.may_claim() else None
            if turn is not None and turn.due_at == due:
                return due
            heapq.heappop(self._due)  # paused, cancelled or sent since: noted again when due
            if state.noted_due == due:
                state.noted_due = None
        return None

    def take(
        self, now: Milliseconds, *, limit: int, suspect_limit: int
    ) -> Iterator[tuple[AccountState, Turn]]:
        """Accounts that can send now, and what; :meth:`consider` gives one another turn.

        An account's standing when its turn comes decides which limit it counts against, whichever
        queue it was in; one that can no longer send takes no turn from the others.
        """
        left = {False: limit, True: suspect_limit}
        for queue, suspect in ((self._good, False), (self._suspect, True)):
            while queue and left[suspect]:
                state, _ = queue.popitem(last=False)
                state.queued = False
                turn = state.next_turn(now) if state.may_claim() else None
                if turn is None or turn.due_at > now:
                    self.consider(state, now)
                elif not left[state.progress.standing.suspect]:
                    self._queue(state)
                else:
                    left[state.progress.standing.suspect] -= 1
                    yield state, turn
