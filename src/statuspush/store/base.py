"""The values that cross the store contract (:mod:`statuspush.store.contracts`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from statuspush.core.errors import InputError, ServiceError
from statuspush.core.lifecycle import Decision, Retry, State
from statuspush.core.moment import Milliseconds
from statuspush.core.outcome import INTERRUPTED, Verdict
from statuspush.core.push import Attempt
from statuspush.core.push_settings import PushSettings
from statuspush.core.words import Words


class StoreUnavailable(ServiceError):
    """Nothing was stored; the same call may succeed later (disk full, server restarting)."""


class StoreBroken(ServiceError):
    """The engine can't promise durability any more (an fsync failed); a restart is needed."""


class UnknownAccount(InputError):
    """No account of that name."""

    def __init__(self, account: str) -> None:
        super().__init__(Words(f"there is no account {account!r}", f"没有名为 {account!r} 的账户"))
        self.account = account


class UnknownAccounts(InputError):
    """No account of some of the names in a batch."""

    def __init__(self, accounts: frozenset[str]) -> None:
        names = ", ".join(map(repr, sorted(accounts)))
        super().__init__(
            Words(
                f"there are no accounts with these names: {names}", f"没有这些名称的账户：{names}"
            )
        )
        self.accounts = accounts


class OtherKind(InputError):
    """Some accounts of a batch take reports of a different kind than the batch holds."""

    def __init__(self, accounts: Mapping[str, str]) -> None:
        names = ", ".join(map(repr, sorted(accounts)))
        super().__init__(
            Words(
                f"these accounts take reports of another kind: {names}",
                f"这些账户的报告种类不同：{names}",
            )
        )
        self.accounts = accounts
        """The kind of each of these accounts."""

    def __reduce__(self) -> tuple[type["OtherKind"], tuple[Mapping[str, str]]]:
        """Survive pickling."""
        return OtherKind, (self.accounts,)


Unsuited = UnknownAccounts | OtherKind
"""Why a submission is refused as a whole."""


class UnknownPush(InputError):
    """No push of that id."""

    def __init__(self, push: str) -> None:
        super().__init__(Words(f"there is no push {push!r}", f"没有编号为 {push!r} 的推送"))
        self.push = push


class Conflict(InputError):
    """The call makes sense, but not in the present state; the text says why."""


@dataclass(frozen=True, slots=True)
class StateCounts:
    """How many pushes, or reports, are in each state; a report is counted in its newest push."""

    waiting: int = 0
    sending: int = 0
    delivered: int = 0
    exhausted: int = 0
    cancelled: int = 0
    expired: int = 0
    """Reports only: removed by retention before they were pushed."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the last attempts say about an account's endpoint."""

    consecutive_failures: int = 0
    last_verdict: Verdict | None = None
    """Result of the last attempt; None before the first."""
    last_attempt_at: Milliseconds | None = None
    last_delivered_at: Milliseconds | None = None
    retry_due_at: Milliseconds | None = None
    """When a failing endpoint's waiting retry, its probe, is sent."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account with its settings and where its reports stand."""

    account: str
    kind: str
    """The kind of its reports (:data:`statuspush.core.kinds.KINDS`)."""
    name: str
    created_at: Milliseconds
    push: PushSettings
    revision: int
    """Revision of the settings: higher after each change."""
    learned_max_bytes: int | None
    """Largest body tried after a 413; forgotten when the URL or a size is changed."""
    pushes: StateCounts
    reports: StateCounts
    """``waiting`` holds reports of waiting pushes and those not yet cut into a push."""
    waiting_reports: int
    oldest_waiting_at: Milliseconds | None
    """Acceptance time of the oldest report that waits (not yet cut, or in a waiting push)."""
    health: Health
    accepted_reports: int = 0
    """All reports ever accepted for the account."""


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Which accounts are listed; None means no restriction."""

    prefix: str = ""
    """The account's name begins like this."""
    failing: bool | None = None
    """The last attempt failed."""
    waiting: bool | None = None
    """Reports of it wait or are being sent."""


@dataclass(frozen=True, slots=True)
class AccountPage:
    """A page of accounts, by name."""

    items: Sequence[Account]
    next: str | None
    """``after`` of the next page; None at the end."""


class Appended(msgspec.Struct, frozen=True, array_like=True):
    """The result of a submission."""

    accepted: int
    duplicates: int


class ClaimedPush(msgspec.Struct, frozen=True):
    """A push that this process, and no other, is to send now."""

    id: str
    account: str
    kind: str
    """The account's."""
    settings: PushSettings
    """As of the claim; a changed setting applies from the next claim on."""
    fragments: bytes
    """The reports in order, in their stored form (core.fragment), newline-joined."""
    reports: int
    attempt: int
    """Number of this attempt in the push's history, from 1."""
    failures: int
    """Earlier sends that count against the retries."""
    token: int
    """Fencing token; an outcome recorded with another one is refused."""
    created_at: Milliseconds
    suspect: bool = False
    """The endpoint's last attempt failed or was slow: it may only use the suspect capacity."""


class Recording(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The outcome of a claimed push: the attempt, and what the lifecycle decided."""

    push: str
    token: int
    attempt: Attempt
    decision: Decision
    slow: bool = False
    """The send took so long that the endpoint counts as suspect even if it acknowledged."""


def interrupted(
    claim: ClaimedPush,
    started_at: Milliseconds,
    ended_at: Milliseconds,
    *,
    due_at: Milliseconds | None = None,
) -> Recording:
    """What to record for a send that we ended ourselves; it does not count.

    The push is due at ``due_at``, by default immediately.
    """
    return Recording(
        push=claim.id,
        token=claim.token,
        attempt=Attempt(
            claim.attempt, started_at, ended_at - started_at, INTERRUPTED, claim.reports
        ),
        decision=Retry(ended_at if due_at is None else due_at),
    )


@dataclass(frozen=True, slots=True)
class PushSummary:
    """A push as listed."""

    id: str
    account: str
    kind: str
    """The account's."""
    state: State
    reports: int
    attempts: int
    created_at: Milliseconds
    due_at: Milliseconds | None
    delivered_at: Milliseconds | None
    redrive_of: str | None = None
    """The push whose reports it sends again (the first one, if several were joined)."""
    superseded: int = 0
    """How many of its reports are in newer pushes and counted there."""


@dataclass(frozen=True, slots=True)
class PushDetail:
    """A push with its reports (fragments, newline-joined) and attempts."""

    push: PushSummary
    fragments: bytes
    attempts: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True)
class PushPage:
    """A page of pushes, newest first."""

    items: Sequence[PushSummary]
    next: str | None
    """Cursor of the next page; None at the end."""


@dataclass(frozen=True, slots=True)
class ReportHistory:
    """A stored report and every push it was part of."""

    account: str
    kind: str
    """The account's."""
    fragment: bytes
    seq: int
    accepted_at: Milliseconds
    state: State | None
    """State of its newest push; ``waiting`` before the first; None when the interface was off."""
    pushes: Sequence[PushDetail] = ()
    """The pushes with their attempts, oldest first; their ``fragments`` are empty here."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """The result of a redrive: new pushes over the reports of old ones, neighbours joined."""

    pushes: int
    reports: int
    ids: Sequence[str] = ()
    """Ids of the new pushes, the first 100."""

    def plus(self, more: "Redriven") -> "Redriven":
        """The sum of both."""
        return Redriven(
            self.pushes + more.pushes, self.reports + more.reports, [*self.ids, *more.ids][:100]
        )


@dataclass(frozen=True, slots=True)
class Swept:
    """One bounded step of housekeeping."""

    more: bool
    """Whether there is more to do now."""
    reports_expired: int = 0
    reports_removed: int = 0
    pushes_removed: int = 0


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """The store's figures for the telemetry; cheap to ask for."""

    reports_stored: int
    reports_waiting: int
    """Reports that wait or are being sent."""
    pushes_waiting: int
    pushes_sending: int
    bytes_on_disk: int
    extra: Mapping[str, float] = field(default_factory=dict)
    """Figures that only this engine has, by metric name."""
