"""The store contract: what an engine must do, in the words of the domain.

Every verb is atomic and durable when it returns: its effect survives kill -9 and power cut.
Engines may put many verbs into one commit. Time is always an argument (``now``, in
milliseconds since the epoch); no engine reads a clock. Reports of one account are numbered
without gaps by ``seq`` in the order of acceptance; a push is a range of that numbering.

Engines raise :class:`StoreUnavailable` when the disk is full or the server away (the same call
may succeed later) and :class:`StoreBroken` when nothing can be promised any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from statuspush.clock import Milliseconds
from statuspush.core.batch import Batch
from statuspush.core.errors import InputError, ServiceError
from statuspush.core.lifecycle import Decision, State
from statuspush.core.outcome import Verdict
from statuspush.core.settings import PushSettings
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
            Words(f"there are no accounts of these names: {names}", f"没有这些名称的账户：{names}")
        )
        self.accounts = accounts


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
    """What the last attempts say of an account's endpoint."""

    consecutive_failures: int = 0
    last_verdict: Verdict | None = None
    """On the last attempt; None before the first."""
    last_attempt_at: Milliseconds | None = None
    last_delivered_at: Milliseconds | None = None
    retry_due_at: Milliseconds | None = None
    """When the waiting retry, the probe of a failing endpoint, is sent."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account with its settings and where its reports stand."""

    account: str
    name: str
    created_at: Milliseconds
    push: PushSettings
    revision: int
    """Of the settings; grows with each change of them."""
    learned_max_bytes: int | None
    """Largest body tried after an answer of 413; forgotten when the URL or a size is changed."""
    pushes: StateCounts
    reports: StateCounts
    """``waiting`` holds reports of waiting pushes and those not yet cut into a push."""
    waiting_reports: int
    oldest_waiting_at: Milliseconds | None
    """Acceptance time of the oldest report that waits (not yet cut, or in a waiting push)."""
    health: Health
    accepted_reports: int = 0
    """All reports ever accepted for the account."""


class Appended(msgspec.Struct, frozen=True):
    """What became of a submission."""

    accepted: int
    duplicates: int


class ClaimedPush(msgspec.Struct, frozen=True):
    """A push that this process, and no other, sends now."""

    id: str
    account: str
    settings: PushSettings
    """As of the claim; a changed setting holds from the next claim on."""
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
    """The endpoint's last attempt failed or was slow: it may use only the suspect capacity."""


class Attempt(msgspec.Struct, frozen=True):
    """One send of a push and the verdict on it."""

    number: int
    started_at: Milliseconds
    duration_ms: int
    verdict: Verdict
    reports: int = 0
    """How many reports were sent (a push halved after 413 had more before)."""


class Recording(msgspec.Struct, frozen=True):
    """The outcome of a claimed push: the attempt, and what the lifecycle decided."""

    push: str
    token: int
    attempt: Attempt
    decision: Decision
    half_bytes: int = 0
    """Of a push that is halved: size of its larger half's body, the most the account gets next."""
    slow: bool = False
    """The send took so long that the endpoint counts as suspect even if it acknowledged."""


@dataclass(frozen=True, slots=True)
class PushSummary:
    """A push as listed."""

    id: str
    account: str
    state: State
    reports: int
    attempts: int
    created_at: Milliseconds
    due_at: Milliseconds | None
    delivered_at: Milliseconds | None
    redrive_of: str | None = None
    """The push whose reports it sends again (the first one, if several were joined)."""
    superseded: int = 0
    """How many of its reports are in newer pushes, and are counted there."""


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
    fragment: bytes
    seq: int
    accepted_at: Milliseconds
    state: State | None
    """State of its newest push; ``waiting`` before the first; None when the interface was off."""
    pushes: Sequence[PushDetail] = ()
    """The pushes with their attempts, oldest first; their ``fragments`` are empty here."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """What a redrive made: new pushes over the reports of old ones, neighbours joined."""

    pushes: int
    reports: int
    ids: Sequence[str] = ()
    """Ids of the new pushes, the first 100."""

    def plus(self, more: "Redriven") -> "Redriven":
        """Both together."""
        return Redriven(
            self.pushes + more.pushes, self.reports + more.reports, [*self.ids, *more.ids][:100]
        )


@dataclass(frozen=True, slots=True)
class Swept:
    """One bounded step of housekeeping."""

    more: bool
    """There is more to do now."""
    reports_expired: int = 0
    reports_removed: int = 0
    pushes_removed: int = 0


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """What the telemetry shows of the store; cheap to ask for."""

    reports_stored: int
    reports_waiting: int
    pushes_waiting: int
    pushes_sending: int
    bytes_on_disk: int
    extra: Mapping[str, float] = field(default_factory=dict)
    """Figures of this engine only, by metric name."""


class Store(Protocol):
    """An engine. See the module's text for what holds of every verb."""

    async def open(self, now: Milliseconds, *, latest_due: Milliseconds | None = None) -> None:
        """Open or create; migrate; take back claims of a process that died.

        No push that waits is due later than ``latest_due``: a clock that was set back while the
        service was down must not delay a retry.
        Pushes found ``sending`` on an engine of one process are ``waiting`` again, due at once,
        with an attempt ``interrupted`` in their history that does not count.
        Raises :class:`~statuspush.core.errors.StoreRefused`.
        """
        ...

    async def close(self) -> None:
        """Finish what is under way and release the files."""
        ...

    async def ping(self) -> None:
        """Return when a commit would succeed; raise what it would raise otherwise."""
        ...

    # accounts

    async def put_account(
        self, account: str, name: str, apikey_hash: bytes, now: Milliseconds
    ) -> bool:
        """Create the account (True) or rename it (False, the hash is ignored)."""
        ...

    async def get_account(self, account: str) -> Account:
        """Raises :class:`UnknownAccount`."""
        ...

    async def list_accounts(self) -> Sequence[Account]:
        """All accounts by name."""
        ...

    async def delete_account(self, account: str, *, force: bool, now: Milliseconds) -> None:
        """Remove the account; its reports and pushes are not shown any more.

        They leave the disk with retention. An account made anew under the name begins empty.

        Raises :class:`Conflict` while reports wait or are being sent, unless ``force``.
        """
        ...

    async def change_push(
        self,
        account: str,
        changes: Mapping[str, object],
        now: Milliseconds,
        *,
        revision: int | None = None,
    ) -> tuple[PushSettings, int]:
        """Change settings; the others stay as they are at this moment, whoever changed them.

        ``changes`` is what :func:`statuspush.core.settings.read_changes` returns. Returns all
        settings after the change and their revision, which stays the same if nothing changed.
        They hold from the next claim on (contract section 1). The learned size is forgotten when
        :func:`~statuspush.core.settings.learned_is_obsolete` says so.

        To ``off``: waiting pushes are cancelled, reports not yet cut get one cancelled push.
        From ``off``: reports accepted before get one cancelled push, so they aren't sent by
        themselves but can be redriven.

        Raises :class:`Conflict` if ``revision`` is given and not the present one, and
        :class:`~statuspush.core.settings.InvalidSettings`; nothing was changed then.
        """
        ...

    async def get_secret(self, name: str) -> bytes | None:
        """A stored secret of the service (for one: the hash of the operator token)."""
        ...

    async def put_secret(self, name: str, value: bytes) -> None:
        """Store a secret of the service."""
        ...

    # the way of a report

    async def append_reports(self, batch: Batch, now: Milliseconds) -> Appended:
        """Store the reports in this order, all or nothing; the engine numbers them per account.

        A sid that the account already has (within retention), or that comes twice in the batch,
        is counted and left out. Raises :class:`UnknownAccounts` (nothing stored).
        """
        ...

    async def claim_pushes(
        self, now: Milliseconds, *, limit: int, suspect_limit: int, lease_ms: int
    ) -> Sequence[ClaimedPush]:
        """Claim what may be sent now: due pushes, and new ones cut from waiting reports.

        At most ``limit`` pushes of endpoints in good standing and ``suspect_limit`` of suspect
        ones; accounts take turns, one push a turn, longest waiting first. Per account never more
        than ``max_in_flight`` claims. While its endpoint is failing, one, and while a retry of a
        failing endpoint waits for its time nothing else is sent (contract section 4), unless a
        person asks for it or changes the URL. A new push takes the oldest waiting
        reports in order, as many as ``max_reports`` and the byte caps allow. Claims last
        ``lease_ms`` and carry a fencing token.
        """
        ...

    async def record_outcomes(
        self, recordings: Sequence[Recording], now: Milliseconds
    ) -> Sequence[bool]:
        """Write outcomes of claimed pushes, and free their claims.

        False for a recording whose token is not the push's present one (claim lost; nothing
        written). A retry of an account that was switched off meanwhile is cancelled. A halved
        push is cancelled; its halves become new pushes, due at once, since what is sent under
        an id must never change.
        """
        ...

    async def release_claims(self, pushes: Sequence[ClaimedPush], now: Milliseconds) -> None:
        """Give back claims of which nothing was sent; they are due at once, uncounted."""
        ...

    async def next_due(self) -> Milliseconds | None:
        """When the next waiting push of an account that is ``on`` falls due; None if none waits."""
        ...

    # a person asks

    async def redrive_push(self, push: str, now: Milliseconds) -> Redriven:
        """A new push over the same reports, due at once, also while the endpoint is failing.

        Raises :class:`UnknownPush`; :class:`Conflict` while the push, or a redrive of it, is
        under way, or the account's interface is off or without URL.
        """
        ...

    async def redrive_account(
        self,
        account: str,
        *,
        since: Milliseconds | None,
        until: Milliseconds | None,
        states: frozenset[State],
        now: Milliseconds,
    ) -> Redriven:
        """New pushes for all pushes created in [since, until) that are in one of ``states``.

        Only reports whose newest push is one of these: what is under way again already, or was
        redriven and delivered, is left out. Done in several commits when it is much.
        """
        ...

    # looking things up

    async def list_pushes(
        self, account: str, *, state: State | None, cursor: str | None, limit: int
    ) -> PushPage:
        """Pushes of the account, newest first. Raises :class:`InputError` for a bad cursor."""
        ...

    async def get_push(self, push: str) -> PushDetail:
        """Raises :class:`UnknownPush`."""
        ...

    async def find_reports(
        self,
        *,
        account: str | None = None,
        sid: str | None = None,
        mobile: str | None = None,
        uid: str | None = None,
        limit: int = 100,
    ) -> Sequence[ReportHistory]:
        """Reports with that sid, mobile or uid (exactly one given), newest first."""
        ...

    # the second cursor

    async def pull_reports(self, account: str, limit: int, now: Milliseconds) -> bytes:
        """Hand out the next reports of the pull cursor, newline-joined, oldest first.

        What was handed out is not handed out again; pushes do not move this cursor
        (contract section 7).
        """
        ...

    # housekeeping

    async def sweep(
        self, now: Milliseconds, *, keep_from: Milliseconds, take_back: bool = True
    ) -> Swept:
        """Do one bounded step: expired claims, index upkeep, retention.

        A claim whose lease is over may have been sent: it is due at once, with an attempt
        ``interrupted`` in its history that does not count. Without ``take_back`` claims are left
        alone, because outcomes of them wait to be written.
        Retention removes what is older than ``keep_from``; reports among it that still wait are
        expired: counted, and told in the answer. What is being sent stays until its outcome. Of
        a push that waits only the old reports go; if it was sent before, it is cancelled, and its
        younger reports are a new push that is due when it was and has its failures.
        """
        ...

    async def figures(self) -> StoreFigures:
        """Figures for the telemetry."""
        ...
