"""The load generator, run as a separate process: ``python -m statuspush.bench.load_generator``.

It reads an :class:`Order` as one line of JSON, says ``ready`` when its requests are made, begins
when it reads another line, and answers with a :class:`Load` as one line. It takes about 10 µs of
CPU per request, so that most of the machine is left to the service that it measures.
"""

import asyncio
import gc
import json
import random
import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final, cast

import uvloop

from statuspush.bench.reports import MOST_REQUESTS, Plan, stamped

PAUSE_SECONDS: Final = 0.05
"""Pause before a submission that got 429 without ``Retry-After`` is sent again."""


@dataclass(frozen=True)
class Order:
    """What the generator is to do.

    With ``rate`` set, ``requests`` are sent at random times, that many per second on average.
    Without, each connection sends its next request when the last one is answered, until
    ``requests`` have been sent or ``seconds`` have passed, whichever comes first.
    """

    port: int
    token: str
    accounts: list[str]
    per_request: int
    tag: str
    connections: int
    requests: int = MOST_REQUESTS
    seconds: float | None = None
    rate: float | None = None


@dataclass(frozen=True)
class Load:
    """What the generator did."""

    requests: int
    """Requests accepted: all that were sent."""
    began: float
    """Wall time just before the first request, in seconds."""
    ended: float
    """Wall time of the last answer."""
    cpu_seconds: float
    turned_away: int
    """Answers of 429; each of these requests was sent again."""
    took: list[float]
    """Seconds from sending a request to its 202, in the order of the answers."""
    sent: list[float]
    """Wall time at which each request was sent; only if a rate was ordered."""


class LoadError(RuntimeError):
    """The service gave an unexpected answer, or hung up."""


class Connection(asyncio.Protocol):
    """A connection with at most one request under way.

    :param accepted: called with the connection once its request has been answered with 202.
    :param failed: called with what went wrong.
    """

    __slots__ = (
        "_accepted",
        "_expected",
        "_failed",
        "_partial",
        "_request",
        "_transport",
        "number",
        "turned_away",
    )

    def __init__(
        self,
        accepted: Callable[["Connection"], None],
        failed: Callable[[Exception], None],
        *,
        per_request: int,
    ) -> None:
        self._accepted = accepted
        self._failed = failed
        self._expected = b'{"accepted":%d,"duplicates":0}' % per_request
        self._partial = b""
        self._request = b""
        self.number = 0
        self.turned_away = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not derive from it

    def send(self, number: int, request: bytes) -> None:
        """Send a request; its number is only kept."""
        self.number = number
        self._request = request
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Wait for a whole answer and judge it."""
        if self._partial:
            data = self._partial + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._partial = data
            return
        if data.startswith(b"202", 9) and data.endswith(self._expected):
            self._partial = b""
            self._accepted(self)
            return
        head = data[:end].lower()
        if len(data) < end + 4 + int(_field(head, b"content-length") or 0):
            self._partial = data
            return
        self._partial = b""
        if head.startswith(b"429", 9):
            self.turned_away += 1
            pause = float(_field(head, b"retry-after") or PAUSE_SECONDS)
            asyncio.get_running_loop().call_later(pause, self._transport.write, self._request)
            return
        self._failed(LoadError(f"answered {data[9 : end + 204].decode('latin-1')!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Only we should end it; after the end of the run nobody listens."""
        self._failed(exc or LoadError("the service closed a connection"))

    def close(self) -> None:
        """End it."""
        self._transport.abort()


def _field(head: bytes, name: bytes) -> bytes | None:
    _, found, rest = head.partition(b"\r\n" + name + b":")
    return rest.split(b"\r\n", 1)[0].strip() if found else None


class _Generator:
    """What both modes of sending share."""

    def __init__(self, order: Order) -> None:
        self.order = order
        plan = Plan(order.accounts, order.per_request, order.tag)
        self._templates = plan.templates(order.token)
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connections: list[Connection] = []
        self._sent_at = array("d", bytes(8 * order.requests)) if order.rate else array("d")
        self._took = array("d")
        self._next = 0
        self._ended = 0.0

    async def run(self) -> Load:
        """Send everything, and wait for the last answer."""
        cpu = time.process_time()
        began = time.time()
        try:
            await self._send_all()
        finally:
            for connection in self._connections:
                connection.close()
        return Load(
            requests=self._next,
            began=began,
            ended=self._ended,
            cpu_seconds=time.process_time() - cpu,
            turned_away=sum(connection.turned_away for connection in self._connections),
            took=self._took.tolist(),
            sent=self._sent_at.tolist() if self.order.rate else [],
        )

    async def connect(self) -> Connection:
        """A new connection."""
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._accepted, self._failed, per_request=self.order.per_request),
            "127.0.0.1",
            self.order.port,
        )
        self._connections.append(connection)
        return connection

    def _request(self) -> bytes:
        number = self._next
        self._next = number + 1
        return stamped(self._templates[number % len(self._templates)], number)

    def _failed(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)

    async def _send_all(self) -> None:
        raise NotImplementedError

    def _accepted(self, connection: Connection) -> None:
        raise NotImplementedError


class _AsFastAsAnswered(_Generator):
    """Every connection sends as soon as it has been answered."""

    async def _send_all(self) -> None:
        for _ in range(self.order.connections):
            await self.connect()
        self._busy = self.order.connections
        self._began: dict[Connection, float] = {}
        self._until = time.perf_counter() + (self.order.seconds or 1e9)
        for connection in self._connections:
            self._go_on(connection)
        await self._done

    def _accepted(self, connection: Connection) -> None:
        self._took.append(time.perf_counter() - self._began[connection])
        self._go_on(connection)

    def _go_on(self, connection: Connection) -> None:
        now = time.perf_counter()
        if self._next < self.order.requests and now < self._until:
            request = self._request()
            self._began[connection] = time.perf_counter()
            connection.send(self._next - 1, request)
            return
        self._busy -= 1
        if not self._busy:
            self._ended = time.time()
            if not self._done.done():
                self._done.set_result(None)


class _AtRandomTimes(_Generator):
    """Requests are due at random times, whether earlier ones have been answered or not."""

    async def _send_all(self) -> None:
        rate = self.order.rate or 1.0
        rng = random.Random(7)  # noqa: S311 - the same times in every run
        self._idle = [await self.connect() for _ in range(self.order.connections)]
        self._open = 0
        due = time.perf_counter()
        while self._next < self.order.requests:
            due += rng.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            connection = self._idle.pop() if self._idle else await self.connect()
            self._open += 1
            request = self._request()
            self._sent_at[self._next - 1] = time.time()
            connection.send(self._next - 1, request)
            if self._done.done():
                break
        self._check_end()
        await self._done

    def _accepted(self, connection: Connection) -> None:
        self._took.append(time.time() - self._sent_at[connection.number])
        self._idle.append(connection)
        self._open -= 1
        self._check_end()

    def _check_end(self) -> None:
        if not self._open and self._next == self.order.requests and not self._done.done():
            self._ended = time.time()
            self._done.set_result(None)


def generator_for(order: Order) -> _Generator:
    """A generator with its requests made; to be called on the event loop that runs it."""
    return _AtRandomTimes(order) if order.rate else _AsFastAsAnswered(order)


async def _main() -> None:
    order = Order(**json.loads(sys.stdin.readline()))
    generator = generator_for(order)
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    if not sys.stdin.readline():
        return
    print(json.dumps(asdict(await generator.run())), flush=True)


if __name__ == "__main__":
    uvloop.run(_main())
