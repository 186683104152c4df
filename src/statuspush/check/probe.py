"""Sends one case and judges the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter, time

from statuspush.check.by_hand import ByHand, exchange
from statuspush.check.cases import Case
from statuspush.core.ack import judge
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.outcome import Verdict
from statuspush.core.push_request import PostRequest, push_request
from statuspush.transport import AddressGuard, Transport

_CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Reaction:
    """What an endpoint did with a case."""

    case: Case
    verdict: Verdict
    seconds: float
    """From the start to the answer; for a slow body, from its end."""


@dataclass(frozen=True)
class Probe:
    """Sends cases to one endpoint."""

    url: str
    transport: Transport
    guard: AddressGuard
    secret: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    timeout: float = 15.0

    async def send(self, case: Case) -> Reaction:
        """Send a case by the sender's own transport, or by hand if it is no POST."""
        began = perf_counter()
        if case.method == "POST":
            result = await self.transport.post(self._request(case))
        else:
            result = await exchange(self._by_hand(case), self.guard, self.timeout)
        return Reaction(case, judge(result, VOICE_STATUS), perf_counter() - began)

    async def drip(self, case: Case, seconds: float, pieces: int = 8) -> Reaction:
        """Send a push whose body arrives in pieces over ``seconds``."""
        began = perf_counter()
        request = self._by_hand(case, pieces, seconds / (pieces - 1))
        result = await exchange(request, self.guard, self.timeout + seconds)
        return Reaction(
            case, judge(result, VOICE_STATUS), max(0.0, perf_counter() - began - seconds)
        )

    def _by_hand(self, case: Case, pieces: int = 1, pause: float = 0.0) -> ByHand:
        request = self._request(case)
        return ByHand(case.method, self.url, request.headers, case.body, pieces, pause)

    def _request(self, case: Case) -> PostRequest:
        return push_request(
            self.url,
            case.body,
            push=case.push,
            attempt=case.attempt,
            signed_at=int(time()),
            secret=self.secret,
            extra_headers=self.headers,
            connect_seconds=min(_CONNECT_SECONDS, self.timeout),
            timeout_seconds=self.timeout,
        )
