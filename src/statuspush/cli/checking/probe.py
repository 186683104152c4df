"""Sends one case and says what came back."""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter, time
from urllib.parse import urlsplit

import httpx

from statuspush.cli.checking.cases import Case
from statuspush.core.ack import Verdict, judge
from statuspush.core.contract import PUSH_HEADERS
from statuspush.core.outcome import Answered, Cause, SendResult, Unanswered
from statuspush.core.signature import sign
from statuspush.transport import PostRequest, Transport


@dataclass(frozen=True)
class Seen:
    """What an endpoint did with a case."""

    case: Case
    verdict: Verdict
    seconds: float


@dataclass(frozen=True)
class Probe:
    """Sends cases to one endpoint."""

    url: str
    transport: Transport
    secret: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    timeout: float = 15.0

    def _headers(self, case: Case) -> list[tuple[str, str]]:
        headers = [*PUSH_HEADERS, ("webhook-id", case.push or "check")]
        headers += [("X-Push-Attempt", str(case.attempt)), *self.headers]
        if self.secret is not None:
            now = int(time())
            headers.append(("webhook-timestamp", str(now)))
            made = sign(self.secret, case.push or "check", now, case.body)
            headers.append(("webhook-signature", made))
        return headers

    async def send(self, case: Case) -> Seen:
        """Send a case by the sender's own transport, or one that is no POST by another."""
        began = perf_counter()
        result = await (self._post(case) if case.method == "POST" else self._other(case))
        return Seen(case, judge(result), perf_counter() - began)

    async def _post(self, case: Case) -> SendResult:
        return await self.transport.post(
            PostRequest(
                url=self.url,
                headers=self._headers(case),
                body=case.body,
                connect_seconds=min(5.0, self.timeout),
                timeout_seconds=self.timeout,
            )
        )

    async def _other(self, case: Case) -> SendResult:
        try:
            async with httpx.AsyncClient(timeout=self.timeout) as client:
                answer = await client.request(
                    case.method, self.url, content=case.body, headers=self._headers(case)
                )
        except httpx.TimeoutException:
            return Unanswered(Cause.TIMEOUT, "")
        except (httpx.HTTPError, OSError) as error:
            return Unanswered(Cause.CONNECTION_RESET, str(error))
        return Answered(answer.status_code, answer.content)

    async def drip(self, case: Case, seconds: float = 2.0, pieces: int = 8) -> Seen:
        """Send a push whose body arrives in pieces over ``seconds``."""
        began = perf_counter()
        try:
            async with asyncio.timeout(self.timeout + seconds):
                result = await self._dripped(case, seconds / pieces, pieces)
        except TimeoutError:
            result = Unanswered(Cause.TIMEOUT, "")
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            result = Unanswered(Cause.CONNECTION_RESET, str(error))
        return Seen(case, judge(result), max(0.0, perf_counter() - began - seconds))

    async def _dripped(self, case: Case, pause: float, pieces: int) -> SendResult:
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        reader, writer = await asyncio.open_connection(
            parts.hostname,
            parts.port or (443 if secure else 80),
            ssl=ssl.create_default_context() if secure else None,
        )
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}"]
            lines += [f"{name}: {value}" for name, value in self._headers(case)]
            lines += [f"Content-Length: {len(case.body)}", "Connection: close", "", ""]
            writer.write("\r\n".join(lines).encode())
            size = -(-len(case.body) // pieces)
            for start in range(0, len(case.body), size):
                await asyncio.sleep(pause)
                writer.write(case.body[start : start + size])
                await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
            return Answered(status, _content(head, await reader.read(65_536)))
        finally:
            writer.close()


def _content(head: bytes, raw: bytes) -> bytes:
    """The body of a short answer; chunks are joined."""
    if b"transfer-encoding: chunked" not in head.lower():
        return raw
    joined = b""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size.split(b";")[0] or b"0", 16)
        if not length:
            break
        joined, raw = joined + raw[:length], raw[length + 2 :]
    return joined
