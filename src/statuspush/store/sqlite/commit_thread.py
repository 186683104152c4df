"""The thread that waits for the disk, so that the event loop does not."""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue

_Work = tuple[Callable[[], object], "asyncio.Future[None]"]


class CommitThread:
    """Runs one thing after another beside the event loop.

    An executor of one thread would do; handing work to it and back costs three times as much,
    which every commit would pay.
    """

    def __init__(self) -> None:
        """Start the thread; to be called in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[], object]) -> "asyncio.Future[None]":
        """Do it on the thread; the future is done afterwards, or has the error that it raised."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((work, future))
        return future

    def end(self) -> None:
        """Do what was asked for, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            work, future = item
            try:
                work()
            except Exception as error:
                self._loop.call_soon_threadsafe(_settle, future, error)
            else:
                self._loop.call_soon_threadsafe(_settle, future, None)


def _settle(future: "asyncio.Future[None]", error: Exception | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
