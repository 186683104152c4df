"""Send: build the body, POST it, judge the answer, decide what follows."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from statuspush.clock import Clock
from statuspush.core import wire
from statuspush.core.ack import judge
from statuspush.core.fragment import sample_fragments
from statuspush.core.kinds import KINDS, Kind
from statuspush.core.lifecycle import Halve, Retry, decide
from statuspush.core.moment import Milliseconds
from statuspush.core.outcome import Outcome, SendResult, Tested, Verdict
from statuspush.core.push import Attempt
from statuspush.core.push_request import PostRequest, push_request
from statuspush.core.push_settings import PushSettings
from statuspush.store.base import ClaimedPush, Recording, interrupted
from statuspush.store.push_id import show
from statuspush.telemetry import Telemetry
from statuspush.transport import Done, Sending

_SHORTAGE_MS = 5_000
"""Pause before a send is retried that failed because our descriptors or ports ran out."""


class Posts(Protocol):
    """What sending needs from a transport (:class:`statuspush.transport.Transport`)."""

    def start(self, request: PostRequest, done: Done) -> Sending | None:
        """POST once and call ``done`` with the result; a customer's failure is a value."""
        ...

    async def post(self, request: PostRequest) -> SendResult:
        """POST once and return the result."""
        ...


class Send:
    """The third step of the flow.

    :param retry_interval_ms: from the end of a failed send to the next (contract section 4); by
        default that of each push's kind.
    :param slow_seconds: a send that takes longer makes its endpoint suspect.
    """

    def __init__(
        self,
        transport: Posts,
        clock: Clock,
        telemetry: Telemetry,
        *,
        retry_interval_ms: int | None = None,
        slow_seconds: float,
        kinds: Mapping[str, Kind[Any]] = KINDS,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._telemetry = telemetry
        self._retry_interval_ms = retry_interval_ms
        self._slow_ms = slow_seconds * 1000
        self._kinds = kinds

    def start(self, claim: ClaimedPush, done: Done) -> Sending | None:
        """Send a claimed push once; see :meth:`statuspush.transport.Transport.start`."""
        kind = self._kinds[claim.kind]
        request = self.request(
            claim.settings, claim.fragments, kind, push=claim.id, attempt=claim.failures + 1
        )
        return self._transport.start(request, done)

    def recording(
        self, claim: ClaimedPush, started_at: Milliseconds, seconds: float, result: SendResult
    ) -> Recording:
        """What to record for a send with this result, which took ``seconds``."""
        kind = self._kinds[claim.kind]
        verdict = judge(result, kind)
        self._telemetry.attempt(verdict.outcome, seconds, claim.reports)
        recording = self._recording(claim, kind, verdict, started_at)
        if verdict.outcome is Outcome.INTERRUPTED:
            # This machine had run out of resources, and would have none a moment later either.
            return replace(recording, decision=Retry(self._clock.now() + _SHORTAGE_MS))
        if isinstance(recording.decision, Halve):
            return replace(recording, decision=Halve(_half_bytes(claim, kind)))
        return recording

    def interrupted(
        self, claim: ClaimedPush, started_at: Milliseconds, *, wait: bool = False
    ) -> Recording:
        """What to record for a send that we broke off ourselves; it does not count.

        The push is due immediately, or with ``wait`` after the retry interval.
        """
        now = self._clock.now()
        pause = self._kinds[claim.kind].interval_ms(self._retry_interval_ms) if wait else 0
        return interrupted(claim, started_at, now, due_at=now + pause)

    def _recording(
        self, claim: ClaimedPush, kind: Kind[Any], verdict: Verdict, started_at: int
    ) -> Recording:
        ended_at = self._clock.now()
        return Recording(
            push=claim.id,
            token=claim.token,
            attempt=Attempt(
                number=claim.attempt,
                started_at=started_at,
                duration_ms=ended_at - started_at,
                verdict=verdict,
                reports=claim.reports,
            ),
            decision=decide(
                verdict.outcome,
                failures=claim.failures,
                reports=claim.reports,
                ended_at=ended_at,
                retry_interval_ms=kind.interval_ms(self._retry_interval_ms),
                kind=kind,
            ),
            slow=ended_at - started_at > self._slow_ms,
        )

    async def test_push(self, settings: PushSettings, kind: str) -> Tested:
        """Send the sample reports of the kind of that name now, outside the queue.

        ``settings`` must have a URL. Nothing is stored, and nothing is retried.
        """
        sent = self._kinds[kind]
        fragments = sample_fragments(sent)
        request = self.request(settings, fragments, sent, push=f"test_{show(0)[4:]}", attempt=1)
        began = time.perf_counter()
        verdict = judge(await self._transport.post(request), sent)
        return Tested(
            verdict=verdict,
            duration_ms=round((time.perf_counter() - began) * 1000),
            reports=len(sent.samples),
            body_bytes=len(request.body),
        )

    def request(
        self,
        settings: PushSettings,
        fragments: bytes,
        kind: Kind[Any],
        *,
        push: str,
        attempt: int,
    ) -> PostRequest:
        """The POST of a push (contract section 2), with the additional headers (section 5)."""
        return push_request(
            settings.url or "",
            wire.body(fragments, settings.wire, kind),
            push=push,
            attempt=attempt,
            # The wall clock, not ours, because receivers compare it with theirs.
            signed_at=int(time.time()),
            secret=settings.secret,
            extra_headers=settings.headers,
            connect_seconds=settings.connect_seconds,
            timeout_seconds=settings.timeout_seconds,
        )


def _half_bytes(claim: ClaimedPush, kind: Kind[Any]) -> int:
    """Size of the larger of the two bodies that a push is halved into."""
    held = claim.fragments.split(b"\n")
    middle = len(held) - len(held) // 2
    return max(
        wire.encoded_size(b"\n".join(half), claim.settings.wire, kind)
        for half in (held[:middle], held[middle:])
    )
