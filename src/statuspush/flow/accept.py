"""Accept: validate what was submitted, write it in its stored form, put it on disk."""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from statuspush.clock import Clock
from statuspush.core.batch import make_batch
from statuspush.core.errors import ServiceError
from statuspush.core.kinds.kind import Kind, Submitted
from statuspush.core.report import FieldError, InvalidReports, read_submissions
from statuspush.core.words import Words
from statuspush.store.base import Appended, OtherKind, Store, UnknownAccounts
from statuspush.telemetry import Telemetry


class Overloaded(ServiceError):
    """More is being accepted at this moment than the configured memory allows."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            Words(
                "too much is being submitted at the moment; try again shortly",
                "同时提交的数据过多，请稍后重试",
            )
        )
        self.retry_after = retry_after
        """Seconds after which the submitter should try again."""


class Accept:
    """The first step of the flow.

    :param max_bytes: request bodies under way at once, in bytes; beyond it submissions are
        refused before they swell the memory.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        *,
        tz: ZoneInfo,
        max_bytes: int,
    ) -> None:
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._tz = tz
        self._max_bytes = max_bytes
        self._bytes = 0

    async def accept(self, body: bytes, kind: Kind[Any], *, ndjson: bool) -> Appended:
        """Store all reports of a request body, which are of one kind, or none.

        Returns once they are on disk, so the submitter may forget them.

        Raises :class:`~statuspush.core.report.MalformedBody`,
        :class:`~statuspush.core.report.TooManyReports`,
        :class:`~statuspush.core.report.InvalidReports` (an account that is unknown or of another
        kind is an error of the field ``account``), :class:`Overloaded`, or what the store raises.
        """
        # One submission always gets in, however small the limit is.
        if self._bytes and self._bytes + len(body) > self._max_bytes:
            self._telemetry.overloaded()
            raise Overloaded(retry_after=1)
        self._bytes += len(body)
        try:
            submissions = read_submissions(body, kind, ndjson=ndjson, tz=self._tz)
            if not submissions:
                return Appended(0, 0)
            appended = await self._store_all(submissions, kind)
        except InvalidReports as refusal:
            self._telemetry.refused(refusal.total)
            raise
        finally:
            self._bytes -= len(body)
        self._telemetry.accepted(appended.accepted, appended.duplicates)
        return appended

    async def _store_all(self, submissions: Sequence[Submitted], kind: Kind[Any]) -> Appended:
        try:
            return await self._store.append_reports(
                make_batch(submissions, kind), self._clock.now()
            )
        except UnknownAccounts as unknown:
            wrong = {account: _unknown(account) for account in unknown.accounts}
        except OtherKind as other:
            wrong = {
                account: _of_other_kind(account, theirs, kind.name)
                for account, theirs in other.accounts.items()
            }
        raise InvalidReports(_field_errors(submissions, wrong))


def _unknown(account: str) -> Words:
    return Words(f"there is no account {account!r}", f"没有名为 {account!r} 的账户")


def _of_other_kind(account: str, theirs: str, ours: str) -> Words:
    return Words(
        f"account {account!r} takes reports of kind {theirs}, not {ours}",
        f"账户 {account!r} 的报告种类是 {theirs}，而不是 {ours}",
    )


def _field_errors(
    submissions: Sequence[Submitted], wrong: Mapping[str, Words]
) -> Sequence[FieldError]:
    """An error for each report whose account is among ``wrong``."""
    return [
        FieldError(index, "account", wrong[submission.account])
        for index, submission in enumerate(submissions)
        if submission.account in wrong
    ]
