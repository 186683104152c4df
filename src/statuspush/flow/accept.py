"""Accept: validate what was submitted, write it in its stored form, put it on disk."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from statuspush.clock import Clock
from statuspush.core.batch import make_batch
from statuspush.core.errors import ServiceError
from statuspush.core.report import FieldError, InvalidReports, Submission, read_submissions
from statuspush.core.words import Words
from statuspush.store.base import Appended, Store, UnknownAccounts
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
        try:
            return await self._store.append_reports(make_batch(submissions), self._clock.now())
        except UnknownAccounts as unknown:
            raise InvalidReports(_field_errors(submissions, unknown.accounts)) from None


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
