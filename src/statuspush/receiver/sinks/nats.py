"""Reports as messages of NATS."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from statuspush.core.errors import ServiceError
from statuspush.core.kinds import Received
from statuspush.receiver.sinks.broker import TIMEOUT_SECONDS, BrokerSink, headers, parts, plain

if TYPE_CHECKING:
    from faststream.nats import NatsBroker


class NatsSink(BrokerSink):
    """``nats://host:4222/subject``, for several servers ``nats://a:4222,b:4222/subject``.

    A stream that covers the subject acknowledges each message, and drops repeats by
    ``Nats-Msg-Id``. Without one NATS keeps nothing: messages go to whoever is listening.
    ``?stream=NAME`` requires that there is a stream.
    """

    def __init__(self, url: str) -> None:
        """Take the URL."""
        super().__init__(url)
        self._stream: str | None = None

    def _make(self) -> "NatsBroker":
        from faststream.nats import NatsBroker  # noqa: PLC0415 - an extra

        servers = [f"{self._scheme}://{server}" for server in self._netloc.split(",")]
        return NatsBroker(
            servers,
            allow_reconnect=False,
            # Of the first connection, to each server in turn.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=5,
            logger=None,
        )

    async def _connected(self, broker: "NatsBroker") -> None:
        stream = self._query.get("stream") or await self._covering(broker)
        # A server that has only just started may not know its streams yet; messages that a stream
        # would have kept must not be lost to nobody listening.
        if stream is None and self._stream is not None:
            raise ServiceError(f'the stream "{self._stream}" is gone')
        self._stream = stream

    async def _covering(self, broker: "NatsBroker") -> str | None:
        """Name of the stream that covers the subject."""
        from nats.js.errors import NotFoundError, ServiceUnavailableError  # noqa: PLC0415

        try:
            return await broker.connection.jetstream().find_stream_name_by_subject(self._name)
        except (NotFoundError, ServiceUnavailableError):
            return None

    async def _publish(self, broker: "NatsBroker", reports: Sequence[Received]) -> None:
        # A stream may have been created since.
        self._stream = self._stream or await self._covering(broker)
        # The first one alone: it sets up where acknowledgements arrive.
        for some in (reports[:1], *parts(reports[1:])):
            await asyncio.gather(
                *(
                    broker.publish(
                        report.json(),
                        self._name,
                        headers=headers(report) | {"Nats-Msg-Id": plain(report.id)},
                        stream=self._stream,
                        timeout=TIMEOUT_SECONDS,
                    )
                    for report in some
                )
            )
        if self._stream is None:
            await broker.connection.flush(int(TIMEOUT_SECONDS))
