"""Reports as messages of Kafka."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from statuspush.core.errors import InputError
from statuspush.core.kinds import Received
from statuspush.receiver.sinks.broker import BrokerSink, headers

if TYPE_CHECKING:
    from faststream.kafka import KafkaBroker


class KafkaSink(BrokerSink):
    """``kafka://host:9092/topic``, for several servers ``kafka://a:9092,b:9092/topic``.

    The sid is the key; all replicas in sync acknowledge.
    """

    def __init__(self, url: str) -> None:
        """Take the URL; Kafka's many ways to log in do not fit into one."""
        super().__init__(url)
        if "@" in self._netloc:
            raise InputError("kafka: a user in the URL is not supported")

    def _make(self) -> "KafkaBroker":
        from faststream.kafka import KafkaBroker  # noqa: PLC0415 - an extra

        servers = self._netloc.split(",")
        return KafkaBroker(servers, acks="all", enable_idempotence=True, logger=None)

    async def _publish(self, broker: "KafkaBroker", reports: Sequence[Received]) -> None:
        waiting = [
            await broker.publish(
                report.json(),
                self._name,
                key=report.id.encode(errors="surrogatepass"),
                headers=headers(report),
                no_confirm=True,
            )
            for report in reports
        ]
        await asyncio.gather(*waiting)
