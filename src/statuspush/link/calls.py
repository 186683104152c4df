"""Calls over the link: everything that is not on the hot path of a report."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

import structlog

from statuspush.core.errors import InputError, ServiceError
from statuspush.link.messages import Call, Result, pack, pack_error, unpack, unpack_error

_log = structlog.get_logger("link")

Handler = Callable[..., Any]
"""What a name stands for at one end; a coroutine function is run as a task."""


class LinkLost(ServiceError):
    """The other process is gone; whether it did what it was asked is unknown."""

    def __init__(self) -> None:
        super().__init__("the other process is gone")


class Frame(Protocol):
    """The part of a frame that calls are in."""

    calls: list[Call]
    results: list[Result]


class Calls:
    """Both sides of calls, at one end of a link.

    :param handlers: what the other end may call, by name.
    :param outgoing: gives the frame to be added to.
    """

    def __init__(self, handlers: Mapping[str, Handler], outgoing: Callable[[], Frame]) -> None:
        self._handlers = handlers
        self._outgoing = outgoing
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._last = 0
        self._lost = False
        self._tasks: set[asyncio.Task[None]] = set()

    def call(self, name: str, *args: object, **kwargs: object) -> asyncio.Future[Any]:
        """Call the other end; the future has what the handler returns, or raises what it raises.

        An error that is neither an :class:`~statuspush.core.errors.InputError` nor a
        :class:`~statuspush.core.errors.ServiceError` arrives as :class:`RuntimeError` with its
        text. :class:`LinkLost` if the other end goes away before it has answered.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._lost:
            future.set_exception(LinkLost())
            return future
        self._last += 1
        self._waiting[self._last] = future
        self._outgoing().calls.append(Call(self._last, name, pack((args, kwargs))))
        return future

    def order(self, name: str, *args: object) -> None:
        """Call the other end without waiting for an answer; lost if it is gone."""
        self._outgoing().calls.append(Call(0, name, pack((args, {}))))

    def take(self, calls: Iterable[Call], results: Iterable[Result]) -> None:
        """Handle the calls and results in a frame."""
        for result in results:
            future = self._waiting.pop(result.number, None)
            if future is None or future.done():
                continue  # the caller has given up
            if result.good:
                future.set_result(unpack(result.value))
            else:
                future.set_exception(unpack_error(result.value))
        for call in calls:
            self._run(call)

    def lost(self) -> None:
        """The other end is gone: fail what is under way."""
        self._lost = True
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(LinkLost())

    def _run(self, call: Call) -> None:
        args, kwargs = unpack(call.arguments)
        try:
            result = self._handlers[call.name](*args, **kwargs)
        except Exception as error:
            self._failed(call, error)
            return
        if asyncio.iscoroutine(result):
            task = asyncio.create_task(self._finish(call, result))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif call.number:
            self._outgoing().results.append(Result(call.number, True, pack(result)))

    async def _finish(self, call: Call, work: Awaitable[object]) -> None:
        try:
            result = await work
        except Exception as error:
            self._failed(call, error)
            return
        if call.number:
            self._outgoing().results.append(Result(call.number, True, pack(result)))

    def _failed(self, call: Call, error: Exception) -> None:
        if not isinstance(error, InputError | ServiceError) or not call.number:
            _log.error("a call between processes failed", call=call.name, exc_info=error)
        if call.number:
            self._outgoing().results.append(Result(call.number, False, pack_error(error)))
