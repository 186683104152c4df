"""The pool: sets the worker processes up, keeps them alive, and ends them."""

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from statuspush.workers.link import Handler, Link, LinkLost
from statuspush.workers.setup import Setup
from statuspush.workers.spawn import Spawned

_log = structlog.get_logger("workers")

_MOST_FAILURES = 3
"""Workers in a row that die before they were ready; then something is wrong with all."""
_PAUSE_SECONDS = 0.5
_STOP_SECONDS = 5.0
_BEAT_SECONDS = 1.0
_SILENT_BEATS = 30
"""Beats without a sign of life after which a worker is taken for hung."""


@dataclass(eq=False)
class Worker:
    """A worker process, seen from the one that owns the store."""

    process: subprocess.Popen[bytes]
    link: Link
    ready: bool = False
    silent: int = 0

    def tell(self, name: str, *args: object) -> None:
        """Have it do something."""
        self.link.tell(name, *args)


class WorkerPool:
    """The worker processes.

    :param setup: what each is told first.
    :param spawned: processes that were started already; they are told what to do.
    :param spawn: starts another one.
    :param handlers: what a worker may call; each is called with the worker first.
    :param joined: called when a worker is ready.
    :param left: called when a worker that was ready is gone.
    """

    def __init__(
        self,
        setup: Callable[[], Setup],
        spawned: Sequence[Spawned],
        spawn: Callable[[], Spawned],
        handlers: Mapping[str, Handler],
        *,
        joined: Callable[[Worker], None],
        left: Callable[[Worker], None],
    ) -> None:
        self._setup = setup
        self._spawned = spawned
        self._spawn = spawn
        self._handlers = handlers
        self._joined = joined
        self._left = left
        self._workers: set[Worker] = set()
        self._gone: asyncio.Queue[Worker] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_ready = asyncio.Event()
        self._stopping = False

    @property
    def ready(self) -> list[Worker]:
        """Workers that serve."""
        return [worker for worker in self._workers if worker.ready]

    async def start(self) -> None:
        """Tell the processes what to do; returns at once, they become ready later."""
        for spawned in self._spawned:
            await self._adopt(spawned)

    async def wait_ready(self) -> None:
        """Return when a worker serves."""
        await self._one_ready.wait()

    async def run(self) -> None:
        """Replace workers that die or hang; returns only when they die before they are ready."""
        beat = asyncio.create_task(self._watch())
        failures = 0
        try:
            while True:
                worker = await self._gone.get()
                failures = 0 if worker.ready else failures + 1
                if failures >= _MOST_FAILURES:
                    _log.critical("workers die before they are ready")
                    return
                _log.error("a worker died, starting another", pid=worker.process.pid)
                await asyncio.sleep(_PAUSE_SECONDS)
                await self._adopt(self._spawn())
        finally:
            beat.cancel()

    async def stop(self) -> None:
        """End the workers: each finishes the requests it has, then exits."""
        self._stopping = True
        workers = list(self._workers)
        for worker in workers:
            worker.tell("stop")
        await asyncio.gather(*(_ended(worker.process, _STOP_SECONDS) for worker in workers))

    def tell_all(self, name: str, *args: object) -> None:
        """Have every worker that serves do something."""
        for worker in self.ready:
            worker.tell(name, *args)

    async def _adopt(self, spawned: Spawned) -> None:
        # The handlers want the worker, which wants the link: it is given to them afterwards.
        holder: list[Worker] = []
        handlers = {
            name: partial(_with_worker, holder, handler) for name, handler in self._handlers.items()
        }
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(
            lambda: Link(handlers, lost=lambda: self._lost(holder[0])), sock=spawned.link
        )
        worker = Worker(spawned.process, link)
        holder.append(worker)
        self._workers.add(worker)
        self._in_background(self._set_up(worker))

    async def _set_up(self, worker: Worker) -> None:
        try:
            await worker.link.call("set_up", self._setup())
        except Exception as error:  # it can't be used, whatever it is
            if not isinstance(error, LinkLost):
                _log.error("a worker cannot start", exc_info=error)
            worker.process.kill()
            return
        worker.ready = True
        self._one_ready.set()
        self._joined(worker)

    def _lost(self, worker: Worker) -> None:
        self._workers.discard(worker)
        if not self._stopping:
            # Before its claims are given to another: it must not send any more.
            worker.process.kill()
        if worker.ready:
            self._left(worker)
        if not self._stopping:
            self._in_background(self._bury(worker))

    async def _bury(self, worker: Worker) -> None:
        await _ended(worker.process, _STOP_SECONDS)
        self._gone.put_nowait(worker)

    async def _watch(self) -> None:
        # Beats are counted, not time: while this process or the machine stood still, no worker
        # could be heard.
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            for worker in self.ready:
                worker.silent += 1
                if worker.silent > _SILENT_BEATS:
                    _log.error("a worker does not answer, ending it", pid=worker.process.pid)
                    worker.process.kill()
                self._in_background(self._beat(worker))

    async def _beat(self, worker: Worker) -> None:
        with contextlib.suppress(LinkLost):
            await worker.link.call("beat")
            worker.silent = 0

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _with_worker(holder: list[Worker], handler: Handler, *args: object, **kwargs: object) -> object:
    return handler(holder[0], *args, **kwargs)


async def _ended(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for the end of a process; after so many seconds, make it."""

    def wait() -> None:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    await asyncio.get_running_loop().run_in_executor(None, wait)
