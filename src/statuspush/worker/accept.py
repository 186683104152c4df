"""Accept: validate what was submitted, convert it to its stored form, put it on disk."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from statuspush.core.batch import Batch, make_batch
from statuspush.core.errors import Overloaded
from statuspush.core.kinds.kind import Kind, SubmittedReport
from statuspush.core.report import FieldError, InvalidReports, read_submissions
from statuspush.core.words import Words
from statuspush.store.base import Appended, OtherKind, UnknownAccounts
from statuspush.telemetry import Telemetry
from statuspush.worker.submissions import Done


class Accept:
    """Takes submissions in.

    :param submit: has a batch stored.
    :param max_bytes: most bytes of request bodies under way at the same time; beyond it,
        submissions are refused before they fill the memory.
    """

    def __init__(
        self,
        submit: Callable[[Batch, Done], None],
        telemetry: Telemetry,
        *,
        tz: ZoneInfo,
        max_bytes: int,
    ) -> None:
        self._submit = submit
        self._telemetry = telemetry
        self._tz = tz
        self._max_bytes = max_bytes
        self._bytes = 0

    def begin(self, body: bytes, kind: Kind[Any], *, ndjson: bool, done: Done) -> None:
        """Store all reports of a request body, which are of one kind, or none.

        ``done`` is called once, possibly before this returns: when they are on disk, so that the
        submitter may forget them, or with the error, which is
        :class:`~statuspush.core.report.MalformedBody`,
        :class:`~statuspush.core.report.TooManyReports`,
        :class:`~statuspush.core.report.InvalidReports` (an account that is unknown or of another
        kind is an error of the field ``account``), :class:`Overloaded`, or what the store raises.
        """
        size = len(body)
        # One submission always gets in, however small the limit is.
        if self._bytes and self._bytes + size > self._max_bytes:
            self._telemetry.overloaded()
            done(Overloaded(retry_after=1))
            return
        try:
            submissions = read_submissions(body, kind, ndjson=ndjson, tz=self._tz)
            batch = make_batch(submissions, kind) if submissions else None
        except Exception as error:
            self._refuse(error, done)
            return
        if batch is None:
            done(Appended(0, 0))
            return
        self._bytes += size
        self._submit(batch, partial(self._end, submissions, kind, size, done))

    def _end(
        self,
        submissions: Sequence[SubmittedReport],
        kind: Kind[Any],
        size: int,
        done: Done,
        result: Appended | Exception,
    ) -> None:
        self._bytes -= size
        if isinstance(result, Appended):
            self._telemetry.accepted(result.accepted, result.duplicates)
            done(result)
        elif isinstance(result, UnknownAccounts):
            wrong = {account: _unknown(account) for account in result.accounts}
            self._refuse(InvalidReports(_field_errors(submissions, wrong)), done)
        elif isinstance(result, OtherKind):
            wrong = {
                account: _of_other_kind(account, theirs, kind.name)
                for account, theirs in result.accounts.items()
            }
            self._refuse(InvalidReports(_field_errors(submissions, wrong)), done)
        else:
            self._refuse(result, done)

    def _refuse(self, error: Exception, done: Done) -> None:
        if isinstance(error, InvalidReports):
            self._telemetry.refused(error.total)
        done(error)

    async def accept(self, body: bytes, kind: Kind[Any], *, ndjson: bool) -> Appended:
        """Store all reports of a request body, or none; raises the error of :meth:`begin`."""
        waiter: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()

        def done(result: Appended | Exception) -> None:
            if waiter.done():  # the caller has gone away
                return
            if isinstance(result, Exception):
                waiter.set_exception(result)
            else:
                waiter.set_result(result)

        self.begin(body, kind, ndjson=ndjson, done=done)
        return await waiter


def _unknown(account: str) -> Words:
    return Words(f"there is no account {account!r}", f"没有名为 {account!r} 的账户")


def _of_other_kind(account: str, theirs: str, ours: str) -> Words:
    return Words(
        f"account {account!r} takes reports of kind {theirs}, not {ours}",
        f"账户 {account!r} 的报告种类是 {theirs}，而不是 {ours}",
    )


def _field_errors(
    submissions: Sequence[SubmittedReport], wrong: Mapping[str, Words]
) -> Sequence[FieldError]:
    """An error for each report whose account is among ``wrong``."""
    return [
        FieldError(index, "account", wrong[submission.account])
        for index, submission in enumerate(submissions)
        if submission.account in wrong
    ]
