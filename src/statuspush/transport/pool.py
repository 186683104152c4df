"""Idle connections, kept for the next request to the same origin."""

import asyncio
from collections import OrderedDict
from typing import Final

from statuspush.transport.connection import HttpConnection, Origin

_SWEEP_SECONDS: Final = 1.0
_SAFETY_SECONDS: Final = 1.0
"""Subtracted from a server's keep-alive limit, for the time that our request is on its way."""


class IdlePool:
    """The idle connections of a transport. The newest is used first, the oldest dropped first.

    A connection leaves when it has been idle for ``idle_seconds``, or for the time its server
    announced less a second; when it is old; and when the server closes it or sends unasked.
    """

    def __init__(self, max_idle: int, idle_seconds: float) -> None:
        """Make an empty pool.

        Args:
            max_idle: most idle connections, over all origins.
            idle_seconds: longest idle time, in seconds.
        """
        self._max_idle = max_idle
        self._idle_seconds = idle_seconds
        self._by_origin: dict[Origin, list[HttpConnection]] = {}
        self._oldest_first: OrderedDict[HttpConnection, None] = OrderedDict()
        self._sweeper: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many connections are idle."""
        return len(self._oldest_first)

    def take(self, origin: Origin, now: float) -> HttpConnection | None:
        """The most recently used connection that still looks alive; it then belongs to the caller.

        Args:
            origin: where the request goes.
            now: loop time.
        """
        stack = self._by_origin.get(origin)
        while stack:
            connection = stack.pop()
            del self._oldest_first[connection]
            if not stack:
                del self._by_origin[origin]
            if now < connection.expires_at and connection.looks_alive():
                return connection
            connection.abort()
        return None

    def put(self, connection: HttpConnection, now: float) -> None:
        """Keep a connection after its exchange, or close it if it cannot be reused."""
        seconds = self._idle_seconds
        if connection.keep_alive_seconds is not None:
            seconds = min(seconds, connection.keep_alive_seconds - _SAFETY_SECONDS)
        connection.expires_at = min(now + seconds, connection.retires_at)
        if not connection.reusable or connection.expires_at <= now or self._max_idle <= 0:
            connection.abort()
            return
        self._by_origin.setdefault(connection.origin, []).append(connection)
        self._oldest_first[connection] = None
        if len(self._oldest_first) > self._max_idle:
            oldest = next(iter(self._oldest_first))
            self.discard(oldest)
            oldest.abort()
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def discard(self, connection: HttpConnection) -> None:
        """Forget a connection, if it is here."""
        if connection not in self._oldest_first:
            return
        del self._oldest_first[connection]
        stack = self._by_origin[connection.origin]
        stack.remove(connection)
        if not stack:
            del self._by_origin[connection.origin]

    def clear(self) -> None:
        """Close all idle connections."""
        idle = list(self._oldest_first)
        self._oldest_first.clear()
        self._by_origin.clear()
        for connection in idle:
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in [each for each in self._oldest_first if each.expires_at <= now]:
            self.discard(connection)
            connection.abort()
        self._sweeper = loop.call_later(_SWEEP_SECONDS, self._sweep) if self._oldest_first else None
