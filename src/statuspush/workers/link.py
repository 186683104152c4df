"""The link: two processes of one service call each other over a socket of their own.

What is said within one turn of the event loop goes over in one write, so that a call costs a
few microseconds under load. Both ends run the same program and nobody else holds the socket,
which makes pickle safe here: it needs no schema and takes any value of the house.
"""

import asyncio
import pickle
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

import structlog

from statuspush.core.errors import InputError, ServiceError

_log = structlog.get_logger("link")

_LENGTH: Final = struct.Struct("=Q")
_CALL: Final = 0
_RETURN: Final = 1
_RAISE: Final = 2

Handler = Callable[..., Any]
"""What a name stands for at an end; a coroutine function is run as a task."""


class LinkLost(ServiceError):
    """The other process is gone; whether it did what it was asked is unknown."""

    def __init__(self) -> None:
        super().__init__("the other process is gone")


class Link(asyncio.Protocol):
    """One end of the link.

    :param handlers: what the other end may call, by name.
    :param lost: called once when the other end is gone.
    """

    def __init__(self, handlers: Mapping[str, Handler], *, lost: Callable[[], None]) -> None:
        self._handlers = handlers
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._last_call = 0
        self._out: list[tuple[Any, ...]] = []
        self._chunks: list[bytes] = []
        self._held = 0
        self._need = _LENGTH.size
        self._tasks: set[asyncio.Task[None]] = set()

    # asking

    def call(self, name: str, *args: object, **kwargs: object) -> asyncio.Future[Any]:
        """Call the other end; the future has what the handler returns, or raises what it raises.

        An error that is neither an :class:`~statuspush.core.errors.InputError` nor a
        :class:`~statuspush.core.errors.ServiceError` arrives as :class:`RuntimeError` with its
        text. :class:`LinkLost` when the other end goes away meanwhile.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._transport is None:
            future.set_exception(LinkLost())
            return future
        self._last_call += 1
        self._calls[self._last_call] = future
        self._post((_CALL, self._last_call, name, args, kwargs))
        return future

    def tell(self, name: str, *args: object) -> None:
        """Call the other end without waiting for an answer; lost if it is gone."""
        self._post((_CALL, 0, name, args, {}))

    def close(self) -> None:
        """Send what was said, then close."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def _post(self, message: tuple[Any, ...]) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(message)

    def _flush(self) -> None:
        if not self._out:
            return
        messages, self._out = self._out, []
        if self._transport is None:
            return
        frame = pickle.dumps(messages, pickle.HIGHEST_PROTOCOL)
        if len(frame) < 1 << 16:
            self._transport.write(_LENGTH.pack(len(frame)) + frame)
        else:
            self._transport.writelines((_LENGTH.pack(len(frame)), frame))

    # the protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is under way."""
        self._transport = None
        calls, self._calls = self._calls, {}
        for future in calls.values():
            if not future.done():
                future.set_exception(LinkLost())
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Gather frames: a length, then a pickled list of messages."""
        self._chunks.append(data)
        self._held += len(data)
        while self._held >= self._need:
            held = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            (length,) = _LENGTH.unpack_from(held)
            end = _LENGTH.size + length
            if len(held) < end:
                self._chunks, self._need = [held], end
                return
            messages = pickle.loads(memoryview(held)[_LENGTH.size : end])  # noqa: S301 (see top)
            rest = held[end:]
            self._chunks = [rest] if rest else []
            self._held, self._need = len(rest), _LENGTH.size
            for message in messages:
                self._take(message)

    def _take(self, message: tuple[Any, ...]) -> None:
        kind, number = message[:2]
        if kind == _CALL:
            self._run(number, *message[2:])
            return
        future = self._calls.pop(number, None)
        if future is None or future.done():
            return  # the caller has given up
        if kind == _RETURN:
            future.set_result(message[2])
        else:
            future.set_exception(_unpacked(message[2]))

    def _run(
        self, number: int, name: str, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> None:
        try:
            result = self._handlers[name](*args, **kwargs)
        except Exception as error:
            self._failed(number, name, error)
            return
        if asyncio.iscoroutine(result):
            task = asyncio.create_task(self._finish(number, name, result))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif number:
            self._post((_RETURN, number, result))

    async def _finish(self, number: int, name: str, work: Awaitable[object]) -> None:
        try:
            result = await work
        except Exception as error:
            self._failed(number, name, error)
            return
        if number:
            self._post((_RETURN, number, result))

    def _failed(self, number: int, name: str, error: Exception) -> None:
        known = isinstance(error, InputError | ServiceError)
        if not known or not number:
            _log.error("a call between processes failed", call=name, exc_info=error)
        if number:
            self._post((_RAISE, number, _packed(error if known else RuntimeError(repr(error)))))


_Packed = tuple[type[Exception], tuple[object, ...], dict[str, object]]


def _packed(error: Exception) -> _Packed:
    # Not pickled as it is: pickle calls the class with args, and ours take other arguments.
    return type(error), error.args, error.__dict__


def _unpacked(packed: _Packed) -> Exception:
    kind, args, attributes = packed
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error
