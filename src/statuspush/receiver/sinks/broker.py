"""Reports as messages of NATS, Kafka, RabbitMQ or Redis, through FastStream; one per report.

A message is the report's JSON. Where the broker has a place for it, the unique id (the sid) is also
in a header, or is the key.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from statuspush.core.errors import InputError, ServiceError
from statuspush.core.kinds import Received
from statuspush.extras import missing

TIMEOUT_SECONDS: Final = 30.0
"""Limit for a batch, and for connecting."""

_AT_ONCE: Final = 100
"""Messages that wait for their acknowledgement at the same time."""


class BrokerSink(ABC):
    """What the four have in common: connect, publish under a deadline, start over after an error.

    The clients' own reconnecting is switched off where possible: it hides from us whether a message
    has arrived.
    """

    most_before: ClassVar = 0
    """How many parts of the path may stand before the name."""

    def __init__(self, url: str) -> None:
        """Take a URL whose last part names where messages go."""
        parts = urlsplit(url)
        self._scheme: Final = parts.scheme
        self._netloc: Final = parts.netloc
        if not parts.netloc.rpartition("@")[2]:
            raise InputError(f"the {parts.scheme} URL has no host")
        *self._path, self._name = [unquote(part) for part in parts.path.strip("/").split("/")]
        if not self._name:
            raise InputError(f"the {parts.scheme} URL does not end with a name")
        if len(self._path) > self.most_before:
            raise InputError(f"the {parts.scheme} URL has too many parts")
        self._query: Final = {
            key: values[-1] for key, values in parse_qs(parts.query, True).items()
        }
        self._broker: Any = None

    async def open(self) -> None:
        """Connect to the broker."""
        try:
            broker = self._make()
        except ImportError as error:
            raise missing("brokers", self._scheme) from error
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await broker.connect()
                await self._connected(broker)
        except Exception as error:
            await _stop(broker)
            reason = str(error) or type(error).__name__
            raise ServiceError(f"{self._scheme}: cannot connect: {reason}") from error
        self._broker = broker

    async def deliver(self, reports: Sequence[Received]) -> None:
        """Publish one message per report; returns when the broker has acknowledged them."""
        if self._broker is None:
            await self.open()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._publish(self._broker, reports)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Leave the broker."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await _stop(broker)

    @abstractmethod
    def _make(self) -> Any:
        """Make the FastStream broker; :class:`ImportError` where its library is missing."""

    async def _connected(self, broker: Any) -> None:  # noqa: B027 - most need nothing
        """Find out what has to be known before the first message."""

    @abstractmethod
    async def _publish(self, broker: Any, reports: Sequence[Received]) -> None:
        """Publish and wait for the acknowledgement."""


def parts(reports: Sequence[Received]) -> Iterable[Sequence[Received]]:
    return (reports[start : start + _AT_ONCE] for start in range(0, len(reports), _AT_ONCE))


def headers(report: Received) -> dict[str, str]:
    """Headers of a message."""
    return {"content-type": "application/json", report.unique: plain(report.id)}


def plain(sid: str) -> str:
    """The sid in a form that fits a header: nearly all are unchanged, the rest percent-encoded."""
    if sid.isascii() and sid.isprintable() and " " not in sid:
        return sid
    return quote(sid.encode(errors="surrogatepass"), safe="")


async def _stop(broker: Any) -> None:
    # Errors of a connection that is being given up do not matter.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await broker.stop()
