"""Reports as messages of Redis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from statuspush.core.errors import InputError, ServiceError
from statuspush.core.kinds import Received
from statuspush.receiver.sinks.broker import BrokerSink

if TYPE_CHECKING:
    from faststream.redis import RedisBroker


class RedisSink(BrokerSink):
    """``redis://:password@host:6379/stream``; a database comes before: ``…/1/stream``.

    A message is in the entry's field ``__data__``, FastStream's. With ``?kind=channel`` messages
    are published instead; Redis does not keep these, so one that nobody received is an error.
    """

    most_before = 1  # the database

    def __init__(self, url: str) -> None:
        """Take the URL."""
        super().__init__(url)
        if self._query.get("kind", "stream") not in ("stream", "channel"):
            raise InputError("redis: kind is stream or channel")

    def _make(self) -> "RedisBroker":
        from faststream.redis import RedisBroker  # noqa: PLC0415 - an extra

        from statuspush.receiver.sinks.redis_format import BareFormat  # noqa: PLC0415

        database = self._path[0] if self._path else "0"
        return RedisBroker(f"{self._scheme}://{self._netloc}/{database}", message_format=BareFormat)

    async def _connected(self, broker: "RedisBroker") -> None:
        await (await broker.connect()).ping()

    async def _publish(self, broker: "RedisBroker", reports: Sequence[Received]) -> None:
        channel = self._query.get("kind") == "channel"
        client = await broker.connect()
        async with client.pipeline(transaction=True) as pipeline:  # one round trip, all or none
            for report in reports:
                if channel:
                    await broker.publish(report.json(), channel=self._name, pipeline=pipeline)
                else:
                    await broker.publish(report.json(), stream=self._name, pipeline=pipeline)
            answers = await pipeline.execute()
        if channel and not all(answers):
            raise ServiceError(f'redis: nobody listens to the channel "{self._name}"')
