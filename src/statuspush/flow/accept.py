"""Accept: validate what was submitted, write it in its stored form, put it on disk."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from statuspush.clock import Clock
from statuspush.core.errors import ServiceError
from statuspush.core.report import FieldError, InvalidReports, Submission, read_submissions
from statuspush.core.wire import fragments
from statuspush.store.base import Appended, Store
from statuspush.telemetry import Telemetry


class Overloaded(ServiceError):
    """More is being accepted at this moment than the configured memory allows."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many submissions at once; try again shortly")
        self.retry_after = retry_after
        """Seconds after which the submitter should try again."""


class Accept:
    """The first step of the flow.

    :param wake: called after new reports are on disk, so that cutting looks for work.
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
        wake: Callable[[], None],
        max_bytes: int,
    ) -> None:
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._tz = tz
        self._wake = wake
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
            try:
                submissions = read_submissions(body, ndjson=ndjson, tz=self._tz)
                if not submissions:
                    return Appended(0, 0)
                await self._check_accounts(submissions)
            except InvalidReports as refusal:
                self._telemetry.refused(refusal.total)
                raise
            appended = await self._store.append_reports(
                submissions, fragments(submissions), self._clock.now()
            )
        finally:
            self._bytes -= len(body)
        self._telemetry.accepted(appended.accepted, appended.duplicates)
        if appended.accepted:
            self._wake()
        return appended

    async def _check_accounts(self, submissions: list[Submission]) -> None:
        unknown = await self._store.unknown_accounts(frozenset([s.account for s in submissions]))
        if not unknown:
            return
        errors = [
            FieldError(
                index,
                "account",
                f"there is no account {submission.account!r}",
                f"没有名为 {submission.account!r} 的账户",
            )
            for index, submission in enumerate(submissions)
            if submission.account in unknown
        ]
        raise InvalidReports(errors)
