"""The working half, wired: submissions to the store, claimed pushes to the customers."""

from collections.abc import Callable, Mapping

from statuspush.clock import Clock
from statuspush.link.calls import Calls, Handler
from statuspush.link.messages import FromWorker, ToWorker, Unpacking
from statuspush.store.base import Recording
from statuspush.worker.send import Send
from statuspush.worker.sends import Sends
from statuspush.worker.submissions import Submissions


class Worker:
    """One end of a link.

    :param outgoing: gives the frame for the deciding half, to be added to.
    :param handlers: what that half may call, besides what is here.
    """

    def __init__(
        self,
        send: Send,
        clock: Clock,
        outgoing: Callable[[], FromWorker],
        handlers: Mapping[str, Handler],
    ) -> None:
        self._outgoing = outgoing
        self._unpacking = Unpacking()
        self.submissions = Submissions(outgoing)
        self.sends = Sends(send, clock, ended=self._ended)
        self.calls = Calls({"break_off": self.sends.break_off, **handlers}, outgoing)

    def take(self, frame: ToWorker) -> None:
        """Handle a frame."""
        for send in frame.sends:
            self.sends.start(self._unpacking.claim(send))
        if frame.stored or frame.refused:
            self.submissions.take(frame.stored, frame.refused)
        if frame.calls or frame.results:
            self.calls.take(frame.calls, frame.results)

    def lost(self) -> None:
        """The other half is gone."""
        self.submissions.lost()
        self.calls.lost()

    def _ended(self, recording: Recording) -> None:
        self._outgoing().ended.append(recording)
