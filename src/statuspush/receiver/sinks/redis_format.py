"""Messages in Redis as they are, without FastStream's envelope."""

from typing import Any

from faststream.redis.parser import MessageFormat


class BareFormat(MessageFormat):
    """Writes only the payload, without headers, so that any Redis client can read it."""

    @classmethod
    async def encode(cls, **parts: Any) -> bytes:
        """The payload as it is stored."""
        payload: bytes = (await cls.build(**parts)).data
        return payload

    @classmethod
    def parse(cls, data: bytes) -> tuple[bytes, dict[str, Any]]:
        """Payload and headers of what is stored."""
        return data, {}
