"""Accept: validate what was submitted, write it in its stored form, put it on disk."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol
from zoneinfo import ZoneInfo

from statuspush.clock import Clock, Milliseconds
from statuspush.core.batch import Batch, make_batch
from statuspush.core.errors import ServiceError
from statuspush.core.report import FieldError, InvalidReports, Submission, read_submissions
from statuspush.core.words import Words
from statuspush.store.base import Appended, Store, StoreUnavailable, UnknownAccounts
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


Accepted = Callable[[Appended | Exception], None]
"""Takes the result of a submission, or why there is none."""


class Submit(Protocol):
    """The store's side of accepting: puts a batch on disk."""

    def __call__(self, batch: Batch, now: Milliseconds, done: Accepted, /) -> None:
        """Store the batch, and call ``done`` once it is on disk or when it cannot be stored."""
        ...


def submit_to(store: Store) -> Submit:
    """Submit to a store that is called with ``await``."""

    def submit(batch: Batch, now: Milliseconds, done: Accepted) -> None:
        appending = asyncio.ensure_future(store.append_reports(batch, now))

        def appended(future: asyncio.Future[Appended]) -> None:
            if future.cancelled():
                done(StoreUnavailable("the store was closed"))
                return
            error = future.exception()
            done(error if isinstance(error, Exception) else future.result())

        appending.add_done_callback(appended)

    return submit


class Accept:
    """The first step of the flow.

    :param max_bytes: request bodies under way at the same time, in bytes; beyond it submissions
        are refused before they swell the memory.
    """

    def __init__(
        self,
        submit: Submit,
        clock: Clock,
        telemetry: Telemetry,
        *,
        tz: ZoneInfo,
        max_bytes: int,
    ) -> None:
        self._submit = submit
        self._clock = clock
        self._telemetry = telemetry
        self._tz = tz
        self._max_bytes = max_bytes
        self._bytes = 0

    def begin(self, body: bytes, *, ndjson: bool, done: Accepted) -> None:
        """Store all reports of a request body, or none.

        ``done`` is called once, possibly before this returns: when they are on disk, so that the
        submitter may forget them, or with the error. That is
        :class:`~statuspush.core.report.MalformedBody`,
        :class:`~statuspush.core.report.TooManyReports`,
        :class:`~statuspush.core.report.InvalidReports` (an unknown account is an error of the
        field ``account``), :class:`Overloaded`, or what the store raises.
        """
        size = len(body)
        # One submission always gets in, however small the limit is.
        if self._bytes and self._bytes + size > self._max_bytes:
            self._telemetry.overloaded()
            done(Overloaded(retry_after=1))
            return
        try:
            submissions = read_submissions(body, ndjson=ndjson, tz=self._tz)
            batch = make_batch(submissions) if submissions else None
        except Exception as error:
            self._refuse(error, done)
            return
        if batch is None:
            done(Appended(0, 0))
            return
        self._bytes += size
        self._submit(batch, self._clock.now(), partial(self._end, submissions, size, done))

    def _end(
        self,
        submissions: Sequence[Submission],
        size: int,
        done: Accepted,
        result: Appended | Exception,
    ) -> None:
        self._bytes -= size
        if isinstance(result, Appended):
            self._telemetry.accepted(result.accepted, result.duplicates)
            done(result)
        elif isinstance(result, UnknownAccounts):
            self._refuse(InvalidReports(_field_errors(submissions, result.accounts)), done)
        else:
            self._refuse(result, done)

    def _refuse(self, error: Exception, done: Accepted) -> None:
        if isinstance(error, InvalidReports):
            self._telemetry.refused(error.total)
        done(error)

    async def accept(self, body: bytes, *, ndjson: bool) -> Appended:
        """Store all reports of a request body, or none; raises what :meth:`begin` hands on."""
        waiter: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()

        def done(result: Appended | Exception) -> None:
            if waiter.done():  # the caller has gone away
                return
            if isinstance(result, Exception):
                waiter.set_exception(result)
            else:
                waiter.set_result(result)

        self.begin(body, ndjson=ndjson, done=done)
        return await waiter


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
