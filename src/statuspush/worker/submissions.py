"""Submissions on their way to the store, until each is answered."""

from collections.abc import Callable, Iterable

from statuspush.core.batch import Batch
from statuspush.link.calls import LinkLost
from statuspush.link.messages import FromWorker, Result, Stored, Submitted, unpack_error
from statuspush.store.base import Appended

Done = Callable[[Appended | Exception], None]
"""Called once with the result of a submission, or with the error that refused it."""


class Submissions:
    """Numbers submissions, and gives each submitter its answer.

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
        """Pass on the answers in a frame."""
        for one in stored:
            self._waiting.pop(one.number)(Appended(one.accepted, one.duplicates))
        for refusal in refused:
            self._waiting.pop(refusal.number)(unpack_error(refusal.value))

    def lost(self) -> None:
        """The store is gone; it is unknown whether it stored what was on the way."""
        waiting, self._waiting = self._waiting, {}
        for done in waiting.values():
            done(LinkLost())
