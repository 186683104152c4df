"""Resolves names to addresses, so that one hung lookup does not hold up the others."""

import asyncio
import contextlib
import socket
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Protocol

Address = IPv4Address | IPv6Address

_MAX_CACHED: Final = 8192


class Resolver(Protocol):
    """Turns a host name into addresses, in the order in which they should be tried."""

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Look a name up.

        Args:
            host: ASCII host name, never a numeric address.
            port: the port that will be connected to.

        Returns:
            All addresses of the name; the transport checks every one.

        Raises:
            OSError: the name could not be resolved (:class:`socket.gaierror` is one).
        """
        ...


@dataclass(slots=True)
class _Lookup:
    """A lookup under way or in the queue, shared by everyone who asks for the same host."""

    host: str
    port: int
    answer: asyncio.Future[list[Address] | OSError]
    waiting: int = field(default=0)


class SystemResolver:
    """The operating system's resolver (getaddrinfo) in separate threads.

    ``loop.getaddrinfo`` shares one small thread pool with everything else, so a few dead name
    servers would stop all lookups. Here each host has at most one lookup under way, however many
    ask for it; at most ``max_threads`` run concurrently and the rest queue. The threads are
    daemons: a hung lookup does not delay the end of the process. Answers are kept for
    ``ttl_seconds``, so that thousands of sends per second to one host cost one lookup every few
    seconds. Failures are not kept. Use from one event loop at a time.
    """

    def __init__(self, *, ttl_seconds: float = 5.0, max_threads: int = 64) -> None:
        """Make a resolver.

        Args:
            ttl_seconds: how long an answer is reused, in seconds.
            max_threads: most concurrent lookups.
        """
        self._ttl = ttl_seconds
        self._max_threads = max_threads
        self._running = 0
        self._cache: OrderedDict[str, tuple[float, list[Address]]] = OrderedDict()
        self._lookups: dict[str, _Lookup] = {}
        self._queue: deque[_Lookup] = deque()

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Look a name up; see :meth:`Resolver.resolve`."""
        loop = asyncio.get_running_loop()
        cached = self._cache.get(host)
        if cached is not None and cached[0] > loop.time():
            return cached[1]
        lookup = self._lookups.get(host)
        if lookup is None:
            lookup = self._lookups[host] = _Lookup(host, port, loop.create_future())
            self._queue.append(lookup)
            lookup.waiting += 1
            self._start_queued(loop)
        else:
            lookup.waiting += 1
        try:
            answer = await asyncio.shield(lookup.answer)
        finally:
            lookup.waiting -= 1
        if isinstance(answer, OSError):
            # Raising one stored exception in several tasks would mix their tracebacks.
            raise type(answer)(*answer.args)
        return answer

    def _start_queued(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._queue and self._running < self._max_threads:
            lookup = self._queue.popleft()
            if not lookup.waiting:  # everybody who asked ran out of time
                self._lookups.pop(lookup.host, None)
                continue
            self._running += 1
            thread = threading.Thread(
                target=self._look_up, args=(loop, lookup), name="statuspush-dns", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:  # no more threads in this process
                self._finish(loop, lookup, OSError(str(error)))

    def _look_up(self, loop: asyncio.AbstractEventLoop, lookup: _Lookup) -> None:
        """In a thread: ask the system, hand the answer to the loop."""
        answer: list[Address] | OSError
        try:
            found = socket.getaddrinfo(lookup.host, lookup.port, type=socket.SOCK_STREAM)
            # dict.fromkeys drops repeats and keeps the system's order (RFC 6724)
            answer = list(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found))
        except OSError as error:
            answer = error
        except ValueError as error:  # UnicodeError for odd names, or an address we cannot read
            answer = OSError(str(error))
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits now
            loop.call_soon_threadsafe(self._finish, loop, lookup, answer)

    def _finish(
        self, loop: asyncio.AbstractEventLoop, lookup: _Lookup, answer: list[Address] | OSError
    ) -> None:
        self._running -= 1
        self._lookups.pop(lookup.host, None)
        if not isinstance(answer, OSError):
            self._cache[lookup.host] = (loop.time() + self._ttl, answer)
            self._cache.move_to_end(lookup.host)
            if len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        # The failure is a value in the future, so there is no warning that it was never fetched.
        lookup.answer.set_result(answer)
        self._start_queued(loop)
