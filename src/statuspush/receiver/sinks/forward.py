"""Reports in a POST to a URL, a batch as one JSON array."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from statuspush.core.errors import InputError, ServiceError
from statuspush.core.kinds import Received

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS: Final = 15.0
"""From the connection to the end of the answer."""

_TOLD_BYTES: Final = 300


class ForwardSink:
    """Posts a batch; an answer of 2xx means that it has been taken over.

    ``Idempotency-Key`` is the same whenever the same batch is sent again.
    """

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Take an absolute URL; a name and password in it are sent as Basic authentication."""
        parts = urlsplit(url)
        if not parts.hostname:
            raise InputError("the URL has no host")
        self._url: Final = url
        self._place: Final = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._timeout_seconds: Final = timeout_seconds
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Make the client; it connects when there is something to send."""
        import httpx  # noqa: PLC0415 - 100 ms, for those who forward

        self._client = httpx.AsyncClient(follow_redirects=False, timeout=self._timeout_seconds)

    async def deliver(self, reports: Sequence[Received]) -> None:
        """POST the reports; returns when the other side has answered 2xx."""
        if self._client is None:
            await self.open()
        assert self._client is not None
        headers = {"Content-Type": "application/json", "Idempotency-Key": _key(reports)}
        body = b"[" + b",".join(report.json() for report in reports) + b"]"
        said = b""
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                if answer.is_success:
                    return
                async for part in answer.aiter_raw(_TOLD_BYTES):
                    said = part
                    break
        except TimeoutError:
            raise ServiceError(
                f"{self._place} has not answered within {self._timeout_seconds:g} s"
            ) from None
        text = said[:_TOLD_BYTES].decode(errors="replace").strip()
        told = f": {text}" if text else ""
        raise ServiceError(f"{self._place} answered {answer.status_code}{told}")

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _key(reports: Sequence[Received]) -> str:
    whose = [(report.account, report.id) for report in reports]
    try:
        text = msgspec.json.encode(whose)
    except UnicodeEncodeError:  # half of a surrogate pair
        text = repr(whose).encode()
    return hashlib.sha256(text).hexdigest()
