"""What the application is given, and how handlers access it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from statuspush.clock import Clock
from statuspush.core.kinds import Kind
from statuspush.core.moment import Milliseconds
from statuspush.core.outcome import Tested
from statuspush.link.store import RemoteStore
from statuspush.store.base import Account, Appended
from statuspush.telemetry import Telemetry

Accepted = Callable[[Appended | Exception], None]
"""Takes the result of a submission, or the error that refused it."""


class Accepts(Protocol):
    """Accepts submissions, as :class:`statuspush.worker.accept.Accept` does."""

    def begin(self, body: bytes, kind: Kind[Any], *, ndjson: bool, done: Accepted) -> None:
        """Store all reports of the body, or none, and call ``done``; see there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebDependencies:
    """Everything that the application needs from the rest of the service."""

    store: RemoteStore
    accept: Accepts
    test_push: Callable[[Account], Awaitable[Tested]]
    """Sends the sample reports of the account's kind to its URL, outside the queue."""
    metrics: Callable[[str | None], Awaitable[tuple[bytes, str]]]
    """What ``/metrics`` shows for an ``Accept`` header, and its media type."""
    clock: Clock
    telemetry: Telemetry
    timezone: ZoneInfo
    """Zone of ``user_receive_time``."""
    operator_token_hash: Callable[[], bytes]
    """The sha256 digest of the operator token."""
    not_ready: Callable[[], str | None] = lambda: None
    """Why the service can't work yet or any more; None when it can."""
    draining: Callable[[], bool] = lambda: False
    """The service is shutting down and takes no more submissions."""
    max_intake_bytes: int = 64 * 1024 * 1024
    """Most bytes of submissions that may be arriving at the same time."""


@dataclass(frozen=True, slots=True)
class Web:
    """The dependencies and what the handlers share."""

    deps: WebDependencies
    tested: set[str] = field(default_factory=set)
    """Accounts with a test push under way."""

    @property
    def store(self) -> RemoteStore:
        """The engine."""
        return self.deps.store

    def now(self) -> Milliseconds:
        """The time that a handler uses."""
        return self.deps.clock.now()


async def _web(request: Request) -> Web:
    web: Web = request.app.state.web
    return web


InWeb = Annotated[Web, Depends(_web)]
"""The shared state, for handlers."""
