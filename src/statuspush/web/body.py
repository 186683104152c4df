"""Request bodies, limited in size and time."""

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from statuspush.core.errors import Overloaded
from statuspush.core.words import Words
from statuspush.web import problems
from statuspush.web.problems import Problem

BODY_SECONDS: Final = 60.0
"""Time for a body to arrive after its head."""


class ArrivingBodies:
    """Counts the bytes of bodies that are arriving, over all requests, against a limit.

    A body counts while it is incomplete; once whole it is the business of whoever takes it.

    :param refused: called for each body that is refused.
    """

    def __init__(self, most: int, refused: Callable[[], None] = lambda: None) -> None:
        self._most = most
        self._refused = refused
        self._bytes = 0

    def grow(self, held: int, size: int) -> None:
        """Count ``size`` more bytes of a body that holds ``held`` already.

        Raises :class:`Overloaded`, except for a body that is the only one arriving, so that one
        submission always gets in.
        """
        if self._bytes > held and self._bytes + size > self._most:
            self._refused()
            raise Overloaded(retry_after=1)
        self._bytes += size

    def shrink(self, size: int) -> None:
        """A body of that size is complete or abandoned."""
        self._bytes -= size


class Body:
    """A body that arrives in parts.

    :param limit: most bytes it may have.
    :param intake: where it counts while it is incomplete.
    """

    __slots__ = ("_counted", "_intake", "_limit", "_parts", "_size")

    def __init__(self, limit: int, intake: ArrivingBodies) -> None:
        self._limit = limit
        self._intake = intake
        self._parts: list[bytes] = []
        self._size = 0
        self._counted: int | None = None

    def add(self, part: bytes) -> None:
        """Take the next part. Raises :class:`Problem` 413 and :class:`Overloaded`."""
        size = self._size + len(part)
        if size > self._limit:
            raise too_large(self._limit)
        if self._counted is not None:
            self._count(len(part))
        self._parts.append(part)
        self._size = size

    def wait(self) -> None:
        """The rest has not come yet: count what has. Raises :class:`Overloaded`."""
        if self._counted is None:
            self._counted = 0
            self._count(self._size)

    def _count(self, size: int) -> None:
        counted = self._counted or 0
        self._intake.grow(counted, size)
        self._counted = counted + size

    def whole(self) -> bytes:
        """The body, now that all of it is here."""
        self.drop()
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def drop(self) -> None:
        """Stop counting it."""
        if self._counted:
            self._intake.shrink(self._counted)
            self._counted = 0


def check_length(declared: str | None, limit: int) -> None:
    """Refuse a Content-Length beyond the limit before a byte is read: :class:`Problem` 413."""
    if declared is not None and declared.isdecimal() and int(declared[:20]) > limit:
        raise too_large(limit)


async def read_body(
    receive: Receive, declared: str | None, *, limit: int, intake: ArrivingBodies | None = None
) -> bytes:
    """The whole body of an ASGI request; ``declared`` is its Content-Length.

    Raises :class:`Problem` 413 and 408, :class:`Overloaded` and ``ClientDisconnect``.
    """
    check_length(declared, limit)
    body = Body(limit, intake or ArrivingBodies(limit))
    message = await receive()
    body.add(_part(message))
    if not message.get("more_body", False):
        return body.whole()  # most bodies: no timer
    try:
        body.wait()
        async with asyncio.timeout(BODY_SECONDS):
            while message.get("more_body", False):
                message = await receive()
                body.add(_part(message))
    except TimeoutError:
        raise too_slow() from None
    finally:
        body.drop()
    return body.whole()


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    part: bytes = message.get("body", b"")
    return part


def too_large(limit: int) -> Problem:
    """The problem of a body of more bytes."""
    size = f"{limit // 1024} KiB" if limit < 1 << 20 else f"{limit >> 20} MiB"
    return Problem(
        problems.TOO_LARGE,
        Words(f"a body may have at most {size}", f"请求体最多 {size}"),
        members={"max_bytes": limit},
    )


def too_slow() -> Problem:
    """The problem of a body that takes longer than :data:`BODY_SECONDS`."""
    return Problem(
        problems.TIMEOUT,
        Words(
            f"the body did not arrive within {BODY_SECONDS:g} seconds",
            f"请求体未在 {BODY_SECONDS:g} 秒内到齐",
        ),
        headers={"Connection": "close"},
    )
