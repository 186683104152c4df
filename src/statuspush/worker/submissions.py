"""Submissions on their way to the store, until it has answered each."""

from collections.abc import Callable, Iterable

from statuspush.core.batch import Batch
from statuspush.link.calls import LinkLost
from statuspush.link.messages import FromWorker, Result, Stored, Submitted, unpack_error
from statuspush.store.base import Appended

Done = Callable[[Appended | Exception], None]
"""Is called once with the result of a submission, or with the error that refused it."""


class Submissions:
    """Numbers submissions, and hands each answer to whoever submitted.

    :param outgoing: gives the frame to be added to.
    """

    def __init__(self, outgoing: Callable[[], FromWorker]) -> None:
        self._outgoing = outgoing
        self._waiting: dict[int, Done] = {}
        self._last = 0

    def submit(self, batch: Batch, done: Done) -> None:
        """Have a submission stored."""
        self._last += 1
        self._waiting[self._last] = done
        self._outgoing().submitted.append(Submitted(self._last, batch))

    def take(self, stored: Iterable[Stored], refused: Iterable[Result]) -> None:
        """Hand on what a frame brought."""
        for one in stored:
            self._waiting.pop(one.number)(Appended(one.accepted, one.duplicates))
        for refusal in refused:
            self._waiting.pop(refusal.number)(unpack_error(refusal.value))

    def lost(self) -> None:
        """The store is gone; whether it stored what is on the way, nobody knows."""
        waiting, self._waiting = self._waiting, {}
        for done in waiting.values():
            done(LinkLost())
