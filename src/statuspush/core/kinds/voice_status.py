"""``voice_status``: the result of a call. Everything specific to this kind is here.

Source: contract sections 2 to 4.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import msgspec

from statuspush.core.kinds.fields import (
    DATE_PATTERN,
    PHONE_PATTERN,
    TIME_PATTERN,
    LocalTime,
    OneOf,
    PhoneNumber,
    Text,
    WholeNumber,
    is_real_date,
    lines_match,
    local_time,
)
from statuspush.core.kinds.kind import Kind, SubmittedReport
from statuspush.core.kinds.received import Received, text, text_or_digits, whole
from statuspush.core.words import Words

MAX_SID: Final = 32
MAX_UID: Final = 256
MAX_ERROR_MSG: Final = 1024
MAX_DURATION: Final = 2**31 - 1


class Status(StrEnum):
    """The result of a call."""

    SUCCESS = "SUCCESS"
    FAIL = "FAIL"


_FIELDS: Final = (
    Text("sid", "Id of the voice record", least=1, most=MAX_SID),
    Text("uid", "The customer's own id", least=0, most=MAX_UID, nullable=True),
    LocalTime("user_receive_time", "When the user received the call"),
    WholeNumber(
        "duration",
        "Seconds of the call, 0 when it failed",
        least=0,
        most=MAX_DURATION,
        unit=Words("seconds", "秒"),
    ),
    Text("error_msg", "Why the call failed", least=0, most=MAX_ERROR_MSG, nullable=True),
    PhoneNumber("mobile", "The number called"),
    OneOf("report_status", "Result of the call", words=tuple(map(str, Status))),
)


class Submission(SubmittedReport, frozen=True, forbid_unknown_fields=True, gc=False):
    """A report as the platform submits it: the seven keys of the contract and its account."""

    sid: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SID)]
    """Id of the voice record."""
    user_receive_time: str
    """When the user received the call: ``YYYY-MM-DD HH:MM:SS``, platform local time."""
    duration: Annotated[int, msgspec.Meta(ge=0, le=MAX_DURATION)]
    """Seconds of the call, 0 when it failed."""
    mobile: str
    """The number called, with ``+`` and country code if it is abroad."""
    report_status: str
    """``SUCCESS`` or ``FAIL``."""
    uid: Annotated[str, msgspec.Meta(max_length=MAX_UID)] | None = None
    """The customer's own id; null and the empty string are different values."""
    error_msg: Annotated[str, msgspec.Meta(max_length=MAX_ERROR_MSG)] | None = None
    """Why the call failed."""


_MOBILES: Final = re.compile(rf"(?:{PHONE_PATTERN}\n)*+")
_TIMES: Final = re.compile(rf"(?:{DATE_PATTERN} {TIME_PATTERN}\n)*+")
_STATUSES: Final = frozenset(map(str, Status))


def _checked(submissions: list[Submission], tz: ZoneInfo) -> list[Submission] | None:
    if not (
        _STATUSES.issuperset([submission.report_status for submission in submissions])
        and lines_match(_MOBILES, [submission.mobile for submission in submissions])
    ):
        return None
    times = [submission.user_receive_time for submission in submissions]
    if lines_match(_TIMES, times):
        dates = {time[:10] for time in times}
        return submissions if all(map(is_real_date, dates)) else None
    return _with_local_times(submissions, tz)


def _with_local_times(submissions: list[Submission], tz: ZoneInfo) -> list[Submission] | None:
    rewritten = []
    for submission in submissions:
        time = local_time(submission.user_receive_time, tz)
        if time is None:
            return None
        unchanged = time == submission.user_receive_time
        rewritten.append(
            submission if unchanged else msgspec.structs.replace(submission, user_receive_time=time)
        )
    return rewritten


_SPELLED: Final = (
    (b"\x01", b'{"sid":'),
    (b"\x02", b',"uid":null,"user_receive_time":"'),
    (b"\x03", b',"uid":'),
    (b"\x04", b',"user_receive_time":"'),
    (b"\x05", b'","duration":'),
    (b"\x06", b',"error_msg":null,"mobile":"'),
    (b"\x07", b',"error_msg":'),
    (b"\x08", b',"mobile":"'),
    (b"\x0e", b'","report_status":"SUCCESS"}'),
    (b"\x0f", b'","report_status":"FAIL"}'),
)
_STATUS: Final = {"SUCCESS": "\x0e", "FAIL": "\x0f"}


@lru_cache(maxsize=512)
def _error(message: str | None) -> str:
    """Cached, because nearly all failed calls share a few reasons."""
    return "\x06" if message is None else f"\x07{_quoted(message)}\x08"


def _fragments(reports: Sequence[Submission]) -> list[bytes]:
    if not reports:
        return []
    joined = "\n".join(
        [
            f"\x01{_quoted(r.sid)}\x02{r.user_receive_time}\x05{r.duration}"
            f"{_error(r.error_msg)}{r.mobile}{_STATUS[r.report_status]}"
            if r.uid is None
            else f"\x01{_quoted(r.sid)}\x03{_quoted(r.uid)}\x04{r.user_receive_time}"
            f"\x05{r.duration}{_error(r.error_msg)}{r.mobile}{_STATUS[r.report_status]}"
            for r in reports
        ]
    )
    # Neither character occurs outside strings here, and _quoted escapes every line feed.
    return joined.replace("+", "\\u002b").replace("%", "\\u0025").encode("ascii").split(b"\n")


_SAMPLES: Final = (
    Submission(
        account="sample",
        sid="b3f2a9c1d4e84f60a7c5e2d190b8f7a6",
        uid="order-1001",
        user_receive_time="2024-05-17 10:22:33",
        duration=15,
        error_msg=None,
        mobile="15205201314",
        report_status="SUCCESS",
    ),
    Submission(
        account="sample",
        sid="0c7d5e8f1a2b4c3d9e6f708192a3b4c5",
        uid=None,
        user_receive_time="2024-05-17 10:23:05",
        duration=0,
        error_msg="用户信号不佳、关机等",
        mobile="+37258483726",
        report_status="FAIL",
    ),
)
"""A call that was answered and one that was not."""

_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}")


class Report(Received):
    """One voice status report, as the receiver sees it."""

    __slots__ = ()

    keys = tuple(field.key for field in _FIELDS)
    unique = "sid"

    @property
    def sid(self) -> str:
        """Id of the voice record, unique."""
        return self.id

    @property
    def uid(self) -> str | None:
        """The customer's own id; ``None`` is not the same as the empty string."""
        return text_or_digits(self.fields.get("uid"))

    @property
    def user_receive_time(self) -> str | None:
        """When the user received the call, as it was sent; see :attr:`time`."""
        return text(self.fields.get("user_receive_time"))

    @property
    def time(self) -> datetime | None:
        """:attr:`user_receive_time` as an aware datetime; ``None`` if that is not a time."""
        sent = self.user_receive_time
        if sent is None or not _TIME.fullmatch(sent):
            return None
        try:
            return datetime.fromisoformat(sent).replace(tzinfo=self._zone)
        except ValueError:
            return None

    @property
    def duration(self) -> int | None:
        """Seconds of the call, 0 when it failed."""
        return whole(self.fields.get("duration"))

    @property
    def error_msg(self) -> str | None:
        """Why the call failed."""
        return text(self.fields.get("error_msg"))

    @property
    def mobile(self) -> str | None:
        """The number called, as it was sent; see :attr:`mobile_e164`."""
        return text_or_digits(self.fields.get("mobile"))

    @property
    def mobile_e164(self) -> str | None:
        """The number in E.164 (``+8615205201314``); ``None`` where it is none.

        A number without country code is one of the home region.
        """
        mobile = self.mobile
        if not mobile:
            return None
        import phonenumbers  # noqa: PLC0415 - 50 ms, for those who ask

        try:
            number = phonenumbers.parse(mobile, self._region)
        except phonenumbers.NumberParseException:
            return None
        if not phonenumbers.is_possible_number(number):
            return None
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    @property
    def report_status(self) -> str | None:
        """``SUCCESS`` or ``FAIL``, as it was sent; see :attr:`status`."""
        return text(self.fields.get("report_status"))

    @property
    def status(self) -> Status | None:
        """:attr:`report_status` as a value of the enumeration; ``None`` where it is neither."""
        try:
            return Status(self.report_status or "")
        except ValueError:
            return None

    def __repr__(self) -> str:
        # Never the number: reports end up in logs.
        return f"<Report {self.sid} {self.report_status}>"


VOICE_STATUS: Final = Kind(
    name="voice_status",
    parameter="voice_status",
    fields=_FIELDS,
    search=("sid", "mobile", "uid"),
    max_reports=500,
    retries=3,
    retry_interval_seconds=300,
    answers=(b"SUCCESS", b"0"),
    max_answer_bytes=64,
    submission=Submission,
    checked=_checked,
    fragments=_fragments,
    spelled=_SPELLED,
    received=Report,
    samples=_SAMPLES,
)
"""The voice status report push interface."""
