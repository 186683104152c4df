"""Sends one case and tells what came back."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter, time

from statuspush.cli.checking.by_hand import Request, exchange
from statuspush.cli.checking.cases import Case
from statuspush.core.ack import judge
from statuspush.core.contract import PUSH_HEADERS
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.outcome import SendResult, Verdict
from statuspush.core.signature import sign
from statuspush.transport import AddressGuard, PostRequest, Transport

_CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Seen:
    """What an endpoint did with a case."""

    case: Case
    verdict: Verdict
    seconds: float
    """From the start to the answer; of a slow body, from when it was there."""


@dataclass(frozen=True)
class Probe:
    """Sends cases to one endpoint."""

    url: str
    transport: Transport
    guard: AddressGuard
    secret: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    timeout: float = 15.0

    async def send(self, case: Case) -> Seen:
        """Send a case by the sender's own transport, or by hand if it is no POST."""
        began = perf_counter()
        result = await (self._post(case) if case.method == "POST" else self._by_hand(case))
        return Seen(case, judge(result, VOICE_STATUS), perf_counter() - began)

    async def drip(self, case: Case, seconds: float, pieces: int = 8) -> Seen:
        """Send a push whose body arrives in pieces over ``seconds``."""
        began = perf_counter()
        request = Request(
            case.method,
            self.url,
            self._headers(case),
            case.body,
            pieces,
            seconds / (pieces - 1),
        )
        result = await exchange(request, self.guard, self.timeout + seconds)
        return Seen(case, judge(result, VOICE_STATUS), max(0.0, perf_counter() - began - seconds))

    async def _post(self, case: Case) -> SendResult:
        return await self.transport.post(
            PostRequest(
                url=self.url,
                headers=self._headers(case),
                body=case.body,
                connect_seconds=min(_CONNECT_SECONDS, self.timeout),
                timeout_seconds=self.timeout,
            )
        )

    async def _by_hand(self, case: Case) -> SendResult:
        request = Request(case.method, self.url, self._headers(case), case.body)
        return await exchange(request, self.guard, self.timeout)

    def _headers(self, case: Case) -> list[tuple[str, str]]:
        headers = [*PUSH_HEADERS, ("webhook-id", case.push), ("X-Push-Attempt", str(case.attempt))]
        headers += self.headers
        if self.secret is not None:
            now = int(time())
            headers.append(("webhook-timestamp", str(now)))
            signature = sign(self.secret, case.push, now, case.body)
            headers.append(("webhook-signature", signature))
        return headers
