"""The store contract: what an engine must do, in the words of the domain, by consumer.

Every verb is atomic, and durable when it returns: its effect survives kill -9 and power cuts.
Engines may put many verbs into one commit. Time is always an argument (``now``, in
milliseconds since the epoch); no engine reads a clock. Reports of one account are numbered
without gaps by ``seq`` in the order of acceptance; a push is a range of that numbering. Tokens and
ids of pushes rise within an account; their order between accounts is not defined.

The core decides how a push or an endpoint's standing changes (:mod:`~statuspush.core.push`,
:mod:`~statuspush.core.standing`, :mod:`~statuspush.core.turn`): an engine reads, asks the core,
and writes what it is told.

Engines raise :class:`~statuspush.store.base.StoreUnavailable` when the disk is full or the server
unreachable (the same call may succeed later), and :class:`~statuspush.store.base.StoreBroken` when
nothing can be promised any more.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from statuspush.core.batch import Batch
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.lifecycle import State
from statuspush.core.moment import Milliseconds
from statuspush.core.push_settings import PushSettings
from statuspush.store.base import (
    Account,
    AccountFilter,
    AccountPage,
    Appended,
    ClaimedPush,
    PushDetail,
    PushPage,
    Recording,
    Redriven,
    ReportHistory,
    StoreFigures,
    Swept,
    Unsuited,
)


class Intake(Protocol):
    """Accepting reports."""

    async def append_reports(
        self, batches: Sequence[Batch], now: Milliseconds
    ) -> Sequence[Appended | Unsuited]:
        """Store submissions, each whole or not at all; the engine numbers reports per account.

        A report whose unique id the account already has (within retention), or that comes twice,
        is counted and left out. A submission for an account that does not exist, or of another
        kind, is refused; the others are stored.
        """
        ...


class Dispatching(Protocol):
    """Claiming what may be sent, and recording the outcomes."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` whenever there may be something new to claim."""
        ...

    def may_claim(self, now: Milliseconds, *, limit: int, suspect_limit: int) -> bool:
        """Whether :meth:`claim_pushes` may find something. Cheap; True if in doubt."""
        ...

    async def claim_pushes(
        self, now: Milliseconds, *, limit: int, suspect_limit: int, lease_ms: int, owner: str
    ) -> Sequence[ClaimedPush]:
        """Claim what may be sent now: due pushes, and new ones cut from waiting reports.

        At most ``limit`` pushes of endpoints in good standing and ``suspect_limit`` of suspect
        ones; accounts take turns, one push per turn, longest waiting first. An account never has
        more than ``max_in_flight`` claims, and only one while its endpoint is failing. While a
        retry of a failing endpoint is not due, nothing else is sent to it (contract section 4),
        unless a person asks for it or changes the URL. A new push takes the oldest waiting reports
        in order, as many as ``max_reports`` and the byte caps allow. Claims last ``lease_ms``,
        belong to ``owner`` and carry a fencing token.
        """
        ...

    async def record_outcomes(
        self, recordings: Sequence[Recording], now: Milliseconds
    ) -> Sequence[bool]:
        """Write outcomes of claimed pushes, and free their claims.

        False for a recording whose token is not the push's present one (claim lost; nothing
        written). A retry of an account that has since been switched off is cancelled. A halved push
        is cancelled; its halves become new pushes, due immediately, since what is sent under an id
        must never change.
        """
        ...

    async def release_claims(self, pushes: Sequence[ClaimedPush], now: Milliseconds) -> None:
        """Give back claims that were not sent; their pushes are due immediately, uncounted."""
        ...

    async def extend_claims(self, owner: str, until: Milliseconds) -> Sequence[int]:
        """Extend this owner's leases to at least ``until``; returns the tokens of its claims."""
        ...

    async def take_back_claims(self, now: Milliseconds, *, owner: str | None = None) -> int:
        """Take back the claims of an owner that is gone, or those whose lease is over.

        They may have been sent: the pushes are due immediately, with an attempt ``interrupted`` in
        their history that does not count. Returns how many there were.
        """
        ...

    async def hasten_retries(self, interval_ms: int | None, now: Milliseconds) -> None:
        """Let no push wait longer than an interval from now, by default its kind's.

        Called at start: a clock set back while the service was down must not delay a retry.
        """
        ...

    def next_due(self) -> Milliseconds | None:
        """When the next waiting push of an account that is ``on`` is due; may be too early."""
        ...


class Accounts(Protocol):
    """Accounts and their settings."""

    async def put_account(
        self,
        account: str,
        name: str,
        apikey_hash: bytes,
        now: Milliseconds,
        *,
        kind: str = VOICE_STATUS.name,
    ) -> bool:
        """Create the account (True) or rename it (False, the hash is ignored).

        The kind of its reports is fixed at creation; a repeat with another ``kind`` raises
        :class:`~statuspush.store.base.Conflict`.
        """
        ...

    async def get_account(self, account: str) -> Account:
        """Raises :class:`~statuspush.store.base.UnknownAccount`."""
        ...

    async def list_accounts(
        self, *, after: str | None = None, limit: int = 100, only: AccountFilter | None = None
    ) -> AccountPage:
        """Accounts by name, from the first one after ``after``.

        A page may hold fewer than ``limit``, even none, and still have a next one: a call looks at
        a bounded number of accounts.
        """
        ...

    async def delete_account(self, account: str, *, force: bool, now: Milliseconds) -> None:
        """Remove the account; its reports and pushes are no longer shown.

        Retention removes them from the disk. A new account of the same name begins empty.

        Raises :class:`~statuspush.store.base.Conflict` while reports wait or are being sent,
        unless ``force``.
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

        Returns all settings after the change and their revision. They apply from the next claim on
        (contract section 1).

        To ``off``: waiting pushes are cancelled, reports not yet cut get one cancelled push.
        From ``off``: reports accepted before get one cancelled push, so they aren't sent
        automatically but can be redriven.

        Raises :class:`~statuspush.store.base.Conflict` if ``revision`` is given and not the
        present one.
        """
        ...


class Secrets(Protocol):
    """Secrets of the service, such as the hash of the operator token."""

    async def get_secret(self, name: str) -> bytes | None:
        """The stored value."""
        ...

    async def put_secret(self, name: str, value: bytes) -> bytes:
        """Store the value unless there is one; returns what is stored."""
        ...


class Redriving(Protocol):
    """A person asks for reports to be sent again."""

    async def redrive_push(self, push: str, now: Milliseconds) -> Redriven:
        """A new push over the same reports, due immediately, even while the endpoint is failing.

        Raises :class:`~statuspush.store.base.UnknownPush`;
        :class:`~statuspush.store.base.Conflict` while the push, or a redrive of it, is under way,
        or the account's interface is off or without URL.
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

        Only reports whose newest push is one of these: what is already under way again, or was
        redriven and delivered, is left out. Large redrives take several commits.
        """
        ...


class Lookups(Protocol):
    """Look-ups for people."""

    async def list_pushes(
        self, account: str, *, state: State | None, cursor: str | None, limit: int
    ) -> PushPage:
        """Pushes of the account, newest first.

        Raises :class:`~statuspush.core.errors.InputError` for a bad cursor.
        """
        ...

    async def get_push(self, push: str) -> PushDetail:
        """Raises :class:`~statuspush.store.base.UnknownPush`."""
        ...

    async def find_reports(
        self,
        *,
        account: str | None = None,
        limit: int = 100,
        **key: str | None,
    ) -> Sequence[ReportHistory]:
        """Reports found by one of their kind's search keys, newest first.

        Exactly one key must not be None, given by name: ``find_reports(sid="call-1")``. Reports of
        kinds without that search key are not considered.
        """
        ...


class Pull(Protocol):
    """The second cursor over the log."""

    async def pull_reports(self, account: str, limit: int, now: Milliseconds) -> bytes:
        """Hand out the next reports of the pull cursor, newline-joined, oldest first.

        Reports are handed out only once; pushes do not move this cursor
        (contract section 7).
        """
        ...


class Upkeep(Protocol):
    """Maintenance of the store, and its figures."""

    async def sweep(self, now: Milliseconds, *, keep_from: Milliseconds) -> Swept:
        """Do one bounded step: index upkeep, then retention.

        Retention removes what is older than ``keep_from``; reports among it that still wait are
        expired: counted, and given in the result. What is being sent stays until its outcome. A
        waiting push only loses its old reports; if it was sent before, it is cancelled, and its
        newer reports become a new push with the same due time and failures.
        """
        ...

    async def ping(self) -> None:
        """Return if a commit would succeed; otherwise raise what it would raise."""
        ...

    async def figures(self) -> StoreFigures:
        """Figures for the telemetry, from running counters."""
        ...

    async def oldest_waiting_at(self) -> Milliseconds | None:
        """When the oldest report that waits was accepted, over all accounts; None if none waits.

        Looks at every account, in slices between which others get their turn.
        """
        ...

    async def close(self) -> None:
        """Finish what is under way and release the files."""
        ...


class Store(Intake, Dispatching, Accounts, Secrets, Redriving, Lookups, Pull, Upkeep, Protocol):
    """The whole contract. Each engine has an ``open`` that returns one."""
