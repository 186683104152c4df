"""Runs a handler over the inbox: each report at least once, in the order of arrival.

A slot takes its next report only once it is on disk that the last one is done, so a crash repeats
only what was in the handler at that moment.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from statuspush.clock import Clock
from statuspush.core.errors import StatuspushError
from statuspush.core.kinds import Received
from statuspush.core.lines import read_line
from statuspush.receiver.inbox import Batch, Inbox, InboxUnavailable, read_batches
from statuspush.receiver.inbox.ledger import (
    Failure,
    HandlerProgress,
    Trouble,
    due_troubles,
    read_progress,
    write_progress,
)
from statuspush.receiver.queues import LineEach, OneLine, Queue

_log: Final = logging.getLogger("statuspush.receiver")
_READ: Final = 8
"""Batches read in one go."""
_MOST_READ_AHEAD: Final = 2000
"""Reports held in memory in search of one that can be handled now; the rest wait on disk."""
_LONGEST_REST: Final = 5.0
"""Longest wait for work: another process may have replayed dead letters."""
_INBOX_REST: Final = 0.5
_MOST_DOUBLINGS: Final = 30
"""Bounds the exponent: a sink that is down for a day has very many attempts."""
_ERROR_CHARACTERS: Final = 500


@dataclass(frozen=True)
class Handler:
    """A function that is given reports, and how."""

    name: str
    """Its progress is kept under this name: a new name starts from the oldest report kept."""
    function: Callable[[Any], Any]
    batch: bool
    """It takes a list of reports, not one."""
    max: int = 500
    wait: float = 0.5
    concurrency: int = 8
    timeout: float = 60.0
    attempts: int = 8
    backoff: float = 5.0
    longest_backoff: float = 3600.0
    ordered: bool = False

    @property
    def slots(self) -> int:
        """How many calls may be under way."""
        return 1 if self.batch else self.concurrency

    def backoff_after(self, attempts: int) -> float:
        """Seconds to wait after this many failures: doubled each time, up to a maximum."""
        doublings = min(attempts - 1, _MOST_DOUBLINGS)
        return float(min(self.backoff * 2**doublings, self.longest_backoff))

    @property
    def lines(self) -> bool:
        """Reports of one account wait for each other, but not for another account's."""
        return self.ordered and not self.batch


class _Open:
    """A batch that the handler is working on."""

    __slots__ = ("done", "left")

    def __init__(self, done: bytearray) -> None:
        self.done = done
        self.left = done.count(0)


@dataclass(frozen=True, slots=True)
class _Item:
    report: Received
    line: bytes
    batch: int
    place: int


_Outcome = _Item | Trouble


class HandlerRun:
    """One handler at work, on one event loop."""

    def __init__(
        self, handler: Handler, inbox: Inbox, clock: Clock, report: Callable[[Any, str], Received]
    ) -> None:
        """Take what it works with.

        :param report: makes a report from a JSON object and its account.
        """
        self._handler = handler
        self._inbox = inbox
        self._clock = clock
        self._report = report
        self._threads = ThreadPoolExecutor(handler.slots, thread_name_prefix=handler.name)
        self._arrived = asyncio.Event()
        self._troubled = asyncio.Event()
        self._taking = asyncio.Lock()
        self._queue: Queue[_Item] = LineEach() if handler.lines else OneLine()
        self._read_upto = 0
        self._upto = 0
        self._open: dict[int, _Open] = {}
        """Batches after ``_upto`` that were read, in order."""
        self._partly: dict[int, bytes] = {}
        self._unwritten: list[tuple[_Outcome, Exception | None]] = []
        self._writing = asyncio.Lock()
        self._stopping = False

    def arrived(self) -> None:
        """New reports are in the inbox; to be called on the loop."""
        self._arrived.set()

    def replayed(self) -> None:
        """Troubles may have become due; to be called on the loop."""
        self._troubled.set()

    async def run(self) -> None:
        """Handle until cancelled; what is in the handler then comes again after the next start."""
        name = self._handler.name
        self._upto, self._partly = await self._inbox_run(lambda c: read_progress(c, name))
        self._read_upto = self._upto
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._handler.slots):
                    tasks.create_task(self._slot())
                tasks.create_task(self._retry())
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Take nothing more; :meth:`run` ends when the calls under way have ended."""
        self._stopping = True
        self._arrived.set()
        self._troubled.set()

    async def _inbox_run(self, verb: Callable[[Any], Any]) -> Any:
        """Run a verb, however long the disk is full."""
        while True:
            try:
                return await asyncio.wrap_future(self._inbox.run(verb))
            except InboxUnavailable as error:
                _log.warning("handler %s waits for the inbox: %s", self._handler.name, error)
                await asyncio.sleep(_INBOX_REST)

    async def _slot(self) -> None:
        while items := await self._take():
            error = await self._call([item.report for item in items])
            if error is not None and self._handler.ordered:
                error = await self._insist(items, error)
            await self._settle(items, error)
            if self._queue.release(items[0].report.account):
                self._arrived.set()

    async def _take(self) -> list[_Item]:
        """The next reports: one, or as many as a batch takes; none when stopping."""
        async with self._taking:
            first = await self._first()
            if first is None:
                return []
            items = [first]
            if self._handler.batch:
                await self._gather(self._handler.max - 1)
                while len(items) < self._handler.max and (item := self._queue.take()) is not None:
                    items.append(item)
            return items

    async def _first(self) -> _Item | None:
        while not self._stopping:
            if (item := self._queue.take()) is not None:
                return item
            self._arrived.clear()
            if len(self._queue) >= _MOST_READ_AHEAD or not await self._read():
                await self._arrived.wait()
        return None

    async def _gather(self, count: int) -> None:
        """Read until ``count`` more wait, or the time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._handler.wait
        while len(self._queue) < count and not self._stopping:
            self._arrived.clear()
            if await self._read():
                continue
            if loop.time() >= deadline:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._arrived.wait()

    async def _read(self) -> bool:
        """Read more batches; False when there are none."""
        after = self._read_upto
        batches: list[Batch] = await self._inbox_run(lambda c: read_batches(c, after, _READ))
        for batch in batches:
            self._read_upto = batch.id
            done = bytearray(self._partly.pop(batch.id, bytes(batch.reports)))
            self._open[batch.id] = _Open(done)
            for place, line in enumerate(batch.body.split(b"\n")):
                if not done[place]:
                    report = self._report(read_line(line), batch.account)
                    self._queue.add(batch.account, _Item(report, line, batch.id, place))
        return bool(batches)

    async def _call(self, reports: Sequence[Received]) -> Exception | None:
        """Call the handler's function; return what it raised, if anything."""
        function = self._handler.function
        argument = list(reports) if self._handler.batch else reports[0]
        try:
            async with asyncio.timeout(self._handler.timeout):
                if inspect.iscoroutinefunction(function):
                    await function(argument)
                else:
                    loop = asyncio.get_running_loop()
                    found = await loop.run_in_executor(self._threads, function, argument)
                    if isinstance(found, Awaitable):
                        await found
        except TimeoutError as error:
            return TimeoutError(str(error) or f"took longer than {self._handler.timeout:g} s")
        except Exception as error:
            return error
        return None

    async def _insist(self, items: Sequence[_Item], error: Exception) -> Exception | None:
        """Retry until it works or the attempts are used up: nothing may overtake."""
        failed: Exception | None = error
        for attempts in range(1, self._handler.attempts):
            seconds = self._handler.backoff_after(attempts)
            _log.warning(
                "handler %s failed, attempt %d, again in %g s: %s",
                self._handler.name,
                attempts,
                seconds,
                _shown(failed),
            )
            await asyncio.sleep(seconds)
            failed = await self._call([item.report for item in items])
            if failed is None:
                _log.info("handler %s works again", self._handler.name)
                break
        return failed

    async def _retry(self) -> None:
        """Try again what is due."""
        name = self._handler.name
        while not self._stopping:
            self._troubled.clear()
            now = self._clock.now()
            most = self._handler.max if self._handler.batch else self._handler.slots
            due, later = await self._inbox_run(partial(due_troubles, name, now, most))
            if due:
                await asyncio.gather(*map(self._try_again, self._groups(due)))
                continue
            rest = _LONGEST_REST if later is None else min(_LONGEST_REST, (later - now) / 1000)
            with suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._troubled.wait()

    def _groups(self, due: Sequence[Trouble]) -> list[list[Trouble]]:
        """Groups to retry together: ever smaller, until the report that fails is alone."""
        groups: list[list[Trouble]] = []
        for trouble in due:
            most = max(1, self._handler.max >> 2 * trouble.attempts) if self._handler.batch else 1
            if groups and len(groups[-1]) < most:
                groups[-1].append(trouble)
            else:
                groups.append([trouble])
        return groups

    async def _try_again(self, troubles: Sequence[Trouble]) -> None:
        reports = [self._report(read_line(each.report), each.account) for each in troubles]
        error = await self._call(reports)
        await self._settle(troubles, error)

    async def _settle(self, outcomes: Sequence[_Outcome], error: Exception | None) -> None:
        """Write the result of a call, with those of other calls; returns once it is on disk."""
        self._unwritten += [(outcome, error) for outcome in outcomes]
        async with self._writing:
            # The previous holder of the lock may have written ours too.
            if not self._unwritten:
                return
            unwritten, self._unwritten = self._unwritten, []
            made = self._progress(unwritten)
            await self._inbox_run(lambda c: write_progress(c, self._handler.name, made))
            if made.failures:
                self._troubled.set()

    def _progress(self, unwritten: Sequence[tuple[_Outcome, Exception | None]]) -> HandlerProgress:
        touched: set[int] = set()
        failures: list[Failure] = []
        settled: list[int] = []
        for what, error in unwritten:
            if isinstance(what, _Item):
                held = self._open[what.batch]
                held.done[what.place] = 1
                held.left -= 1
                touched.add(what.batch)
            elif error is None:
                settled.append(what.id)
            if error is not None:
                failures.append(self._failure(what, error))
        before = self._upto
        for batch in list(self._open):
            if self._open[batch].left:
                break
            self._upto = batch
            del self._open[batch]
        partly = {batch: bytes(self._open[batch].done) for batch in touched if batch > self._upto}
        return HandlerProgress(
            self._upto if self._upto > before else None, partly, failures, settled
        )

    def _failure(self, what: _Item | Trouble, error: Exception) -> Failure:
        now = self._clock.now()
        said = f"{type(error).__name__}: {error}"[:_ERROR_CHARACTERS]
        if isinstance(what, Trouble):
            attempts, line, trouble = what.attempts + 1, what.report, what.id
            account, sid = what.account, what.sid
        else:
            attempts = self._handler.attempts if self._handler.ordered else 1
            line, trouble = what.line, None
            account, sid = what.report.account, what.report.id
        dead = attempts >= self._handler.attempts
        due = None if dead else now + round(self._handler.backoff_after(attempts) * 1000)
        _log.log(
            logging.ERROR if dead else logging.WARNING,
            "handler %s failed on %s, attempt %d%s: %s",
            *(
                self._handler.name,
                sid,
                attempts,
                ", giving up" if dead else "",
                _shown(error),
            ),
        )
        return Failure(account, sid, line, attempts, due, now, said, trouble)


def _shown(error: Exception | None) -> str:
    """An error for the log: with its message only if it is ours, as others may quote a report."""
    return str(error) if isinstance(error, StatuspushError) else type(error).__name__
