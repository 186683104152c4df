"""Requests that a platform never sends: other methods, and bodies that arrive in pieces.

Everything else goes out by the sender's own transport, which writes a POST in one go.
"""

import asyncio
import contextlib
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from statuspush.core.outcome import Cause, SendResult, Unanswered
from statuspush.transport import AddressGuard, ParsedUrl, SystemResolver, validate_url
from statuspush.transport.answer import AnswerReader
from statuspush.transport.headers import header_block
from statuspush.transport.tls import explain, make_context

_READ_BYTES: Final = 65_536


@dataclass(frozen=True)
class ByHand:
    """A request to write by hand."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    pieces: int = 1
    """In how many pieces the body is written, ``pause`` seconds before each but the first."""
    pause: float = 0.0


async def exchange(request: ByHand, guard: AddressGuard, seconds: float) -> SendResult:
    """Send a request on a separate connection and read the answer, within ``seconds``.

    An answer that comes early ends the writing. Raises InvalidUrl.
    """
    url = validate_url(request.url)
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await _connection(url, guard)
            try:
                return await _exchange(request, url, reader, writer)
            finally:
                writer.transport.abort()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        return Unanswered(Cause.TIMEOUT, f"{seconds:g} s were over")
    except ssl.SSLError as error:
        return Unanswered(Cause.TLS_FAILED, explain(error))
    except OSError as error:
        return Unanswered(Cause.CONNECTION_REFUSED, _words(error))


async def _connection(
    url: ParsedUrl, guard: AddressGuard
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address that takes it; the guard judges all of them."""
    found = [url.address] if url.address else await SystemResolver().resolve(url.host, url.port)
    if not all(map(guard.permits, found)):
        raise PermissionError("the host name leads to an address that may not be called")
    secure = url.scheme == "https"
    failure = OSError("the name has no address")
    for address in found:
        try:
            return await asyncio.open_connection(
                str(address),
                url.port,
                ssl=make_context(None) if secure else None,
                server_hostname=url.host if secure else None,
            )
        except ssl.SSLError:
            raise
        except OSError as error:
            failure = error
    raise failure


async def _exchange(
    request: ByHand, url: ParsedUrl, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> SendResult:
    length = [("Content-Length", str(len(request.body)))] if request.body else []
    head = f"{request.method} {url.target} HTTP/1.1\r\nHost: {url.host_header}\r\n".encode("ascii")
    # Not by header_block: these are the transport's to write, and it refuses them from others.
    head += "".join(
        f"{name}: {value}\r\n" for name, value in [*length, ("Connection", "close")]
    ).encode("ascii")
    writer.write(head + header_block(request.headers) + b"\r\n")
    answer = asyncio.create_task(_answer(reader))
    try:
        size = max(1, -(-len(request.body) // request.pieces))
        for start in range(0, len(request.body), size):
            if start:
                await asyncio.wait({answer}, timeout=request.pause)
            if answer.done():
                break
            writer.write(request.body[start : start + size])
            with contextlib.suppress(ConnectionError):  # the answer is read below
                await writer.drain()
        return await answer
    finally:
        answer.cancel()


async def _answer(reader: asyncio.StreamReader) -> SendResult:
    answer = AnswerReader()
    try:
        while answer.outcome is None:
            data = await reader.read(_READ_BYTES)
            if not data:
                return answer.ended()
            answer.feed(data)
    except ConnectionError as error:
        return answer.broken(f"{_words(error)},")
    finally:
        answer.release()
    return answer.outcome


def _words(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
