"""Accept: validate what was submitted, write it in its stored form, put it on disk."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from zoneinfo import ZoneInfo

from statuspush.core.batch import Batch, make_batch
from statuspush.core.errors import Overloaded
from statuspush.core.report import FieldError, InvalidReports, Submission, read_submissions
from statuspush.core.words import Words
from statuspush.store.base import Appended, UnknownAccounts
from statuspush.telemetry import Telemetry
from statuspush.worker.submissions import Done


class Accept:
    """Takes submissions in.

    :param submit: has a batch stored.
    :param max_bytes: request bodies under way at once, in bytes; beyond it submissions are
        refused before they swell the memory.
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

    async def accept(self, body: bytes, *, ndjson: bool) -> Appended:
        """Store all reports of a request body, or none.

        Returns once they are on disk, so the submitter may forget them.

        Raises :class:`~statuspush.core.report.MalformedBody`,
        :class:`~statuspush.core.report.TooManyReports`,
        :class:`~statuspush.core.report.InvalidReports` (an unknown account is an error of the
        field ``account``), :class:`Overloaded`, or what the store raises.
        """
        # One submission always gets in, however small the limit is.
        if self._bytes and self._bytes + len(body) > self._max_bytes:
            self._telemetry.overloaded()
            raise Overloaded(retry_after=1)
        self._bytes += len(body)
        try:
            submissions = read_submissions(body, ndjson=ndjson, tz=self._tz)
            if not submissions:
                return Appended(0, 0)
            appended = await self._store_all(submissions)
        except InvalidReports as refusal:
            self._telemetry.refused(refusal.total)
            raise
        finally:
            self._bytes -= len(body)
        self._telemetry.accepted(appended.accepted, appended.duplicates)
        return appended

    async def _store_all(self, submissions: list[Submission]) -> Appended:
        stored: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self._submit(make_batch(submissions), partial(_settle, stored))
        try:
            return await stored
        except UnknownAccounts as unknown:
            raise InvalidReports(_field_errors(submissions, unknown.accounts)) from None


def _settle(future: asyncio.Future[Appended], result: Appended | Exception) -> None:
    if future.done():  # the submitter has gone away
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def _field_errors(
    submissions: Sequence[Submission], unknown: frozenset[str]
) -> Sequence[FieldError]:
    return [
        FieldError(
            index,
            "account",
            Words(
                f"there is no account {submission.account!r}",
                f"没有名为 {submission.account!r} 的账户",
            ),
        )
        for index, submission in enumerate(submissions)
        if submission.account in unknown
    ]
