"""Messages in Redis as what they are, without FastStream's envelope around them."""

from typing import Any

from faststream.redis.parser import MessageFormat


class BareFormat(MessageFormat):
    """Writes the payload alone, so that any client of Redis can read it; has no headers."""

    @classmethod
    async def encode(cls, **parts: Any) -> bytes:
        """Payload as it is stored."""
        payload: bytes = (await cls.build(**parts)).data
        return payload

    @classmethod
    def parse(cls, data: bytes) -> tuple[bytes, dict[str, Any]]:
        """Payload and headers of what is stored."""
        return data, {}
