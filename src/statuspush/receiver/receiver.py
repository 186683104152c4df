"""The library's front: a receiver with its inbox, its mounts and its handlers."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar, overload
from zoneinfo import ZoneInfo

from statuspush.clock import SteadyClock, WallClock
from statuspush.core import decode as core_decode
from statuspush.core.errors import InputError, ServiceError
from statuspush.core.kinds import VOICE_STATUS, Kind, Received
from statuspush.core.kinds.received import HOME_REGION, PLATFORM_ZONE
from statuspush.receiver.asgi import AsgiMount
from statuspush.receiver.endpoint import Answer, Endpoint
from statuspush.receiver.gate import Gate
from statuspush.receiver.handlers import Handler, HandlerRun
from statuspush.receiver.inbox import Inbox, InboxUnavailable, ledger
from statuspush.receiver.inbox.ledger import Trouble
from statuspush.receiver.wsgi import WsgiMount

F = TypeVar("F", bound=Callable[[Any], Any])

_log: Final = logging.getLogger("statuspush.receiver")
_SCHEME: Final = "sqlite:///"
_SWEEP_SECONDS: Final = 60.0
_SWEEP_BATCHES: Final = 200
_HOUR_MS: Final = 3_600_000


def decode(
    body: bytes, content_type: str | None = None, kind: Kind[Any] = VOICE_STATUS
) -> list[Any]:
    """Read the reports in a push, however its sender encodes (contract section 6).

    ``body`` is the form as it came. Returns the kind's reports, by default
    :class:`~statuspush.receiver.Report`. Raises :class:`~statuspush.core.decode.NotAPush`.
    """
    return [kind.received(fields) for fields in core_decode.decode(body, kind, content_type)]


class Receiver:
    """Takes pushes, has them on disk before it acknowledges, and then handles each report.

    Opened by the first push, or by ``async with receiver`` (handlers run on that loop), or by
    :meth:`start` (handlers run on a separate thread, as they do when a push opened it).
    Only one process at a time may have an inbox open.
    """

    def __init__(
        self,
        inbox: str = "sqlite:///inbox.db",
        *,
        gate: Gate | None = None,
        window_hours: float = 72,
        zone: ZoneInfo = PLATFORM_ZONE,
        region: str = HOME_REGION,
        clock: WallClock | None = None,
        kind: Kind[Any] = VOICE_STATUS,
    ) -> None:
        """Name the inbox; nothing is opened yet.

        :param inbox: ``sqlite:///relative/path`` or ``sqlite:////absolute/path``.
        :param window_hours: how long a sid is remembered and a handled report is kept.
        :param zone: of the times in reports.
        :param region: of numbers without a country code, as ISO 3166 names it.
        :param kind: of the reports.
        """
        if not inbox.startswith(_SCHEME) or len(inbox) == len(_SCHEME):
            raise InputError(f"an inbox is sqlite:///PATH, not {inbox!r}")
        self._window_ms = round(window_hours * _HOUR_MS)
        self._clock = clock or SteadyClock()
        self._open_inbox = partial(
            Inbox.open,
            Path(inbox.removeprefix(_SCHEME)),
            kind,
            window_ms=self._window_ms,
            stored=self._arrived,
        )
        self._held: Inbox | None = None
        self._gate = gate or Gate()
        self._kind, self._zone, self._region = kind, zone, region
        self._handlers: list[Handler] = []
        self._endpoint: Endpoint | None = None
        self._opening = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runs: list[HandlerRun] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._thread: threading.Thread | None = None
        self._failed: str | None = None
        self.asgi: Final = AsgiMount(self._opened)
        """The ASGI application, to be mounted or served."""
        self.wsgi: Final = WsgiMount(self._opened)
        """The WSGI application, to be mounted or served."""

    @overload
    def on_report(self, function: F) -> F: ...
    @overload
    def on_report(
        self,
        *,
        name: str | None = None,
        concurrency: int = 8,
        timeout: float = 60.0,
        attempts: int = 8,
        backoff: float = 5.0,
        ordered: bool = False,
    ) -> Callable[[F], F]: ...
    def on_report(self, function: Any = None, **options: Any) -> Any:
        """Call a function with each report, sync (on a thread) or async; a decorator.

        It is called at least once for every report. If it raises, or takes longer than
        ``timeout`` seconds, the report comes again after ``backoff`` seconds, then twice that, and
        so on; after ``attempts`` it is a dead letter (:meth:`dead_letters`).

        :param name: its progress is kept under this name, by default the function's own.
        :param ordered: one at a time per account, in the order of arrival: a report that fails is
            tried again before the account's next one is begun. Other accounts go on meanwhile, up
            to 2,000 reports ahead.
        """
        return self._register(function, batch=False, **options)

    @overload
    def on_batch(self, function: F) -> F: ...
    @overload
    def on_batch(
        self,
        *,
        max: int = 500,
        wait: float = 0.5,
        name: str | None = None,
        timeout: float = 60.0,
        attempts: int = 8,
        backoff: float = 5.0,
    ) -> Callable[[F], F]: ...
    def on_batch(self, function: Any = None, **options: Any) -> Any:
        """Call a function with lists of reports, one list at a time; a decorator.

        A list holds ``max`` reports, or what has come within ``wait`` seconds of its first one. A
        list that fails is retried in ever smaller parts, until the report that it fails on is
        alone. Everything else is as for :meth:`on_report`.
        """
        return self._register(function, batch=True, **options)

    def _register(self, function: Any, *, batch: bool, **options: Any) -> Any:
        def registered(function: F) -> F:
            name = options.pop("name", None) or function.__name__
            self.add_handler(Handler(name, function, batch, **options))
            return function

        return registered if function is None else registered(function)

    def add_handler(self, handler: Handler) -> None:
        """Add a handler; only before the receiver is opened."""
        if any(other.name == handler.name for other in self._handlers):
            raise InputError(f"there are two handlers named {handler.name!r}; give one a name")
        self._handlers.append(handler)

    def accept(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        method: str = "POST",
        path: str = "",
        query: str = "",
        client: str | None = None,
    ) -> Answer:
        """Answer a push, however it came; waits until its reports are on disk."""
        endpoint, named = self._opened(), _lower(headers)
        admitted = endpoint.admit(method, path, query, named, client)
        return admitted if isinstance(admitted, Answer) else endpoint.accept(admitted, body, named)

    async def accept_async(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        method: str = "POST",
        path: str = "",
        query: str = "",
        client: str | None = None,
    ) -> Answer:
        """The same on an event loop, without blocking it."""
        endpoint, named = self._opened(), _lower(headers)
        admitted = endpoint.admit(method, path, query, named, client)
        if isinstance(admitted, Answer):
            return admitted
        return await endpoint.accept_async(admitted, body, named)

    def start(self) -> Self:
        """Open the inbox, and run handlers on a thread; raises StoreRefused."""
        self._opened()
        return self

    def stop(self, seconds: float = 10.0) -> None:
        """Stop what :meth:`start` or a push began; running handlers get ``seconds`` to finish."""
        thread, self._thread = self._thread, None
        if thread is not None and self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._end_runs(seconds), self._loop).result()
            thread.join()
        self._close()

    async def __aenter__(self) -> Self:
        """Open the inbox, and run handlers on this event loop; raises StoreRefused."""
        with self._opening:
            self._open()
        self._begin_runs()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Stop, with ten seconds for running handlers."""
        await self._end_runs(10.0)
        self._close()

    def counts(self) -> Counter[str]:
        """Results of pushes since it was opened; see :class:`Endpoint`."""
        return Counter() if self._endpoint is None else self._endpoint.counts

    async def check(self) -> str | None:
        """What is wrong if the inbox can't be written or handlers don't run; else None."""
        if self._failed is not None:
            return self._failed
        try:
            await asyncio.wrap_future(self._inbox.run(ledger.probe))
        except ServiceError as error:
            return str(error)
        return None

    def dead_letters(self, *, sid: str | None = None, limit: int = 100) -> list[Trouble]:
        """Reports whose handlers failed for good, newest first."""
        return self._inbox.run(lambda c: ledger.list_troubles(c, sid=sid, limit=limit)).result()

    def replay(self, ids: Sequence[int] | None = None) -> int:
        """Give dead letters (without ``ids``, all) to their handlers again; returns how many."""
        now = self._clock.now()
        count = self._inbox.run(lambda c: ledger.replay(c, now, ids)).result()
        if self._loop is not None:
            for run in self._runs:
                self._loop.call_soon_threadsafe(run.replayed)
        return count

    def purge(self, ids: Sequence[int] | None = None) -> int:
        """Delete dead letters (without ``ids``, all); returns how many."""
        return self._inbox.run(lambda c: ledger.purge(c, ids)).result()

    def _opened(self) -> Endpoint:
        endpoint = self._endpoint
        if endpoint is None:
            with self._opening:
                if self._endpoint is None:
                    self._open()
                    self._begin_thread()
                endpoint = self._endpoint
        assert endpoint is not None
        return endpoint

    @property
    def _inbox(self) -> Inbox:
        if self._held is None:
            raise InboxUnavailable("the receiver is not open: use start() or 'async with'")
        return self._held

    def _open(self) -> None:
        if self._endpoint is not None:
            raise InputError("the receiver is open already")
        self._held = self._open_inbox()
        self._failed = None
        self._endpoint = Endpoint(self._inbox, self._gate, self._clock, self._kind)

    def _close(self) -> None:
        with self._opening:
            if self._endpoint is not None:
                self._endpoint = None
                self._inbox.close()
                self._held = None

    def _begin_thread(self) -> None:
        ready = threading.Event()

        async def main() -> None:
            self._begin_runs()
            ready.set()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        self._thread = threading.Thread(
            target=lambda: asyncio.run(main()), name="handlers", daemon=True
        )
        self._thread.start()
        ready.wait()

    def _begin_runs(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._runs = [
            HandlerRun(handler, self._inbox, self._clock, self._report)
            for handler in self._handlers
        ]
        self._tasks = [
            asyncio.create_task(run.run(), name=handler.name)
            for run, handler in zip(self._runs, self._handlers, strict=True)
        ]
        self._tasks.append(asyncio.create_task(self._sweep(), name="sweep"))
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Report a handler's task that has ended, because nobody awaits it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed = f"{task.get_name()} has ended: {error!r}"
            _log.critical("%s; a restart is needed", self._failed, exc_info=error)

    async def _end_runs(self, seconds: float) -> None:
        *handling, sweeping = self._tasks
        for run in self._runs:
            run.stop()
        if handling:
            await asyncio.wait(handling, timeout=seconds)
        for task in (*handling, sweeping):
            task.cancel()
        await asyncio.gather(*handling, sweeping, return_exceptions=True)
        self._runs, self._tasks, self._loop = [], [], None

    async def _sweep(self) -> None:
        """Remove what is handled and older than the window, a little at a time."""
        names = [handler.name for handler in self._handlers]
        while True:
            before = self._clock.now() - self._window_ms
            verb = partial(ledger.remove_batches, names, before, _SWEEP_BATCHES)
            removed = 0
            with suppress(InboxUnavailable):
                removed = await asyncio.wrap_future(self._inbox.run(verb))
            await asyncio.sleep(0.05 if removed == _SWEEP_BATCHES else _SWEEP_SECONDS)

    def _arrived(self) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has just ended
                for run in self._runs:
                    loop.call_soon_threadsafe(run.arrived)

    def _report(self, fields: dict[str, object], account: str) -> Received:
        return self._kind.received(fields, account, zone=self._zone, region=self._region)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
