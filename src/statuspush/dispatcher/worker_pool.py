"""The pool of worker processes."""

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from statuspush.dispatcher.spawn import Spawned
from statuspush.link.calls import Calls, Handler, LinkLost
from statuspush.link.frames import Link
from statuspush.link.messages import FromWorker, Packing, SetUp, ToWorker
from statuspush.store.base import ClaimedPush

_log = structlog.get_logger("workers")

_MOST_FAILURES = 3
"""Workers in a row that may die before they are ready: if none serves, all will fail."""
_PAUSE_SECONDS = 0.5
"""Pause before a dead worker is replaced; doubled for each that died before it was ready."""
_LONGEST_PAUSE_SECONDS = 15.0
_STOP_SECONDS = 5.0
_BEAT_SECONDS = 1.0
_SILENT_BEATS = 30
"""Beats without a sign of life after which a worker counts as hung."""


class WorkerProcess:
    """A worker process, as seen by the deciding process."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        handlers: Mapping[str, Handler],
        *,
        receive: Callable[["WorkerProcess", FromWorker], None],
        lost: Callable[["WorkerProcess"], None],
    ) -> None:
        self.process = process
        self.ready = False
        self.silent = 0
        """Beats since it was last heard of."""
        self._take = receive
        self._lost = lost
        self._packing = Packing()
        self.link: Link[FromWorker, ToWorker] = Link(
            FromWorker, ToWorker, receive=self._receive, lost=self._gone
        )
        self.calls = Calls(
            {name: partial(handler, self) for name, handler in handlers.items()},
            self.link.outgoing,
        )

    def outgoing(self) -> ToWorker:
        """The next frame for it."""
        return self.link.outgoing()

    def send(self, claim: ClaimedPush) -> None:
        """Have it send a claimed push."""
        self.link.outgoing().sends.append(self._packing.send(claim))

    def break_off(self) -> None:
        """Have it cancel its open sends."""
        self.calls.order("break_off")

    def _receive(self, frame: FromWorker) -> None:
        self._take(self, frame)
        if frame.calls or frame.results:
            self.calls.take(frame.calls, frame.results)

    def _gone(self) -> None:
        self.calls.lost()
        self._lost(self)


class WorkerPool:
    """Sets the worker processes up, keeps them alive, and ends them.

    :param setup: the first thing that each is told.
    :param spawned: processes that were already started, to be set up.
    :param spawn: starts another one.
    :param handlers: what a worker may call; each is called with the worker first.
    :param receive: takes the frames of workers.
    :param joined: called when a worker is ready.
    :param left: called when a worker that was ready is gone.
    """

    def __init__(
        self,
        setup: Callable[[], SetUp],
        spawned: Sequence[Spawned],
        spawn: Callable[[], Spawned],
        handlers: Mapping[str, Handler],
        *,
        receive: Callable[[WorkerProcess, FromWorker], None],
        joined: Callable[[WorkerProcess], None],
        left: Callable[[WorkerProcess], None],
    ) -> None:
        self._setup = setup
        self._spawned = spawned
        self._spawn = spawn
        self._handlers = handlers
        self._receive = receive
        self._joined = joined
        self._left = left
        self._workers: set[WorkerProcess] = set()
        self._failures = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_ready = asyncio.Event()
        self._hopeless = asyncio.Event()
        self._stopping = False

    @property
    def ready(self) -> list[WorkerProcess]:
        """Workers that serve."""
        return [worker for worker in self._workers if worker.ready]

    async def start(self) -> None:
        """Set the processes up; they become ready later."""
        for spawned in self._spawned:
            await self._adopt(spawned)

    async def wait_ready(self) -> None:
        """Return once a worker serves."""
        await self._one_ready.wait()

    async def run(self) -> None:
        """End workers that hang; returns only when none serves and none can be started."""
        beat = asyncio.create_task(self._watch())
        try:
            await self._hopeless.wait()
        finally:
            beat.cancel()

    async def stop(self) -> None:
        """End the workers: each finishes the requests it has, then exits."""
        self._stopping = True
        workers = list(self._workers)
        for worker in workers:
            worker.calls.order("stop")
        await asyncio.gather(*(_ended(worker.process, _STOP_SECONDS) for worker in workers))

    def order_all(self, name: str, *args: object) -> None:
        """Have every worker that serves do something."""
        for worker in self.ready:
            worker.calls.order(name, *args)

    async def _adopt(self, spawned: Spawned) -> None:
        worker = WorkerProcess(
            spawned.process, self._handlers, receive=self._receive, lost=self._lost
        )
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: worker.link, sock=spawned.link)
        self._workers.add(worker)
        self._in_background(self._set_up(worker))

    async def _set_up(self, worker: WorkerProcess) -> None:
        try:
            await worker.calls.call("set_up", self._setup())
        except Exception as error:  # whatever it is, the worker can't be used
            if not isinstance(error, LinkLost):
                _log.error("a worker cannot start", exc_info=error)
            worker.process.kill()
            return
        worker.ready = True
        self._failures = 0
        self._one_ready.set()
        self._joined(worker)

    def _lost(self, worker: WorkerProcess) -> None:
        self._workers.discard(worker)
        if not self._stopping:
            # Before its claims go to another worker: it must not send any more.
            worker.process.kill()
        if worker.ready:
            self._left(worker)
        if not self._stopping:
            self._in_background(self._replace(worker))

    async def _replace(self, worker: WorkerProcess) -> None:
        await _ended(worker.process, _STOP_SECONDS)
        _log.error("a worker died, starting another", pid=worker.process.pid)
        self._failures = 0 if worker.ready else self._failures + 1
        # A failed start ends nothing while another worker serves.
        while self.ready or self._failures < _MOST_FAILURES:
            await asyncio.sleep(min(_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS))
            if self._stopping:
                return
            try:
                spawned = self._spawn()
            except OSError as error:  # out of memory, processes or descriptors
                _log.error("a worker cannot be started", error=str(error))
                self._failures += 1
            else:
                await self._adopt(spawned)
                return
        _log.critical("workers die before they are ready")
        self._hopeless.set()

    async def _watch(self) -> None:
        # Beats are counted, not time: while this process or the machine was suspended, no worker
        # could be heard.
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            for worker in self.ready:
                worker.silent += 1
                if worker.silent > _SILENT_BEATS:
                    _log.error("a worker does not respond, ending it", pid=worker.process.pid)
                    worker.process.kill()
                self._in_background(self._beat(worker))

    async def _beat(self, worker: WorkerProcess) -> None:
        with contextlib.suppress(LinkLost):
            await worker.calls.call("beat")
            worker.silent = 0

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _ended(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for a process to end; kill it after ``seconds``."""

    def wait() -> None:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    await asyncio.get_running_loop().run_in_executor(None, wait)
