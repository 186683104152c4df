"""Reports as messages of RabbitMQ."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from statuspush.core.kinds import Received
from statuspush.receiver.sinks.broker import TIMEOUT_SECONDS, BrokerSink, headers, parts, plain

if TYPE_CHECKING:
    from faststream.rabbit import RabbitBroker


class RabbitSink(BrokerSink):
    """``amqp://user:password@host/queue``; a virtual host comes before: ``…/vhost/queue``.

    With ``?routing_key=KEY`` the name is that of an exchange. A message that no queue takes is an
    error: queues and exchanges are not created here.
    """

    most_before = 1  # the virtual host

    def _make(self) -> "RabbitBroker":
        from faststream.rabbit import Channel, RabbitBroker  # noqa: PLC0415 - an extra

        host = quote(self._path[0] if self._path else "/", safe="")
        return RabbitBroker(
            f"{self._scheme}://{self._netloc}/{host}",
            default_channel=Channel(on_return_raises=True),
            logger=None,
        )

    async def _publish(self, broker: "RabbitBroker", reports: Sequence[Received]) -> None:
        key = self._query.get("routing_key")
        for some in parts(reports):
            await asyncio.gather(
                *(
                    broker.publish(
                        report.json(),
                        queue=self._name if key is None else "",
                        exchange=None if key is None else self._name,
                        routing_key=key or "",
                        headers={**headers(report)},
                        message_id=plain(report.id)[:255],
                        content_type="application/json",
                        persist=True,
                        timeout=TIMEOUT_SECONDS,
                    )
                    for report in some
                )
            )
