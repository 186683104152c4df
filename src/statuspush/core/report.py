"""A submitted report, and how a request body becomes reports.

Reading has two speeds. A body without mistakes is decoded in one go and checked as a whole; only
when that fails is every report looked at by itself (:mod:`statuspush.core.rules`), so that the
submitter learns of each mistake in each report at once.
"""

import json
import re
from collections.abc import Sequence
from operator import attrgetter
from typing import Annotated, Final, NoReturn
from zoneinfo import ZoneInfo

import msgspec

from statuspush.core.errors import InputError
from statuspush.core.rules import (
    ACCOUNT_PATTERN,
    DATE_PATTERN,
    MAX_DURATION,
    MAX_ERROR_MSG,
    MAX_SID,
    MAX_UID,
    MOBILE_PATTERN,
    STATUSES,
    TIME_PATTERN,
    FieldError,
    check_report,
    describe,
    is_real_date,
    local_time,
    rules,
    validate_account_name,
)
from statuspush.core.words import Words

__all__ = [
    "ACCOUNT_PATTERN",
    "FieldError",
    "InvalidReports",
    "MalformedBody",
    "Submission",
    "TooManyReports",
    "read_submissions",
    "validate_account_name",
]

MAX_REPORTS: Final = 10_000
MAX_ERRORS_KEPT: Final = 100


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A report as the platform submits it: the seven keys of the contract and whose it is.

    The bounds written here are enforced by :func:`read_submissions`, not by the constructor.
    Source: contract section 2.
    """

    account: str
    """Name of the account that the report is for."""
    sid: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SID)]
    """Id of the voice record."""
    user_receive_time: str
    """When the user received the call: ``YYYY-MM-DD HH:MM:SS``, platform local time."""
    duration: Annotated[int, msgspec.Meta(ge=0, le=MAX_DURATION)]
    """Seconds of the call, 0 when it failed."""
    mobile: str
    """The number called, with ``+`` and country code when it is abroad."""
    report_status: str
    """``SUCCESS`` or ``FAIL``."""
    uid: Annotated[str, msgspec.Meta(max_length=MAX_UID)] | None = None
    """The customer's own id; null and the empty string are different values."""
    error_msg: Annotated[str, msgspec.Meta(max_length=MAX_ERROR_MSG)] | None = None
    """Why the call failed."""


class MalformedBody(InputError):
    """The body is not JSON, or not JSON of the right shape; no report could be looked at."""

    def __init__(self, text: Words, *, line: int | None = None, column: int | None = None) -> None:
        """Keep the text and where the body breaks off making sense."""
        super().__init__(text)
        self.line = line
        """Line of the body, counted from 1; ``None`` when no single place is at fault."""
        self.column = column
        """Character in the line, counted from 1 (byte, when the line is not UTF-8)."""


class TooManyReports(InputError):
    """More reports in one body than are taken at once."""

    def __init__(self, count: int, limit: int) -> None:
        """Keep how many came and how many are taken."""
        super().__init__(
            Words(
                f"{count} reports in one request, at most {limit} are taken",
                f"一次请求中有 {count} 条报告，最多接受 {limit} 条",
            )
        )
        self.count = count
        self.limit = limit


class InvalidReports(InputError):
    """At least one report breaks a rule; none of the body was taken."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        """Keep the first 100 of ``errors``, which must not be empty, and count them all."""
        first = errors[0]
        super().__init__(
            Words(
                f"{len(errors)} mistakes in the reports, first: report {first.index}: "
                f"{first.words.en}",
                f"报告中有 {len(errors)} 处错误，第一处：第 {first.index} 条：{first.words.zh}",
            )
        )
        self.errors: tuple[FieldError, ...] = tuple(errors[:MAX_ERRORS_KEPT])
        """The first 100 mistakes, in the order of the reports."""
        self.total = len(errors)
        """All mistakes found."""


_read_one: Final = msgspec.json.Decoder(Submission).decode
_read_many: Final = msgspec.json.Decoder(list[Submission]).decode

_SENDER_FIELDS: Final = attrgetter("account", "mobile", "report_status", "user_receive_time")
# Possessive, so that the engine does not remember a way back for each of thousands of lines.
_MOBILES: Final = re.compile(rf"(?:{MOBILE_PATTERN}\n)*+")
_TIMES: Final = re.compile(rf"(?:{DATE_PATTERN} {TIME_PATTERN}\n)*+")


def read_submissions(
    body: bytes, *, ndjson: bool, tz: ZoneInfo, max_reports: int = MAX_REPORTS
) -> list[Submission]:
    """Read the reports of a request body: one object, an array of objects, or NDJSON.

    With ``ndjson`` each line is one report and blank lines are passed over. ``tz`` is the
    platform's zone: a ``user_receive_time`` in ISO 8601 with an offset is rewritten to it. Nothing
    else is changed or coerced. An empty array gives an empty list. Of a key that occurs twice in
    one object the last value counts.

    Raises :class:`MalformedBody`, :class:`TooManyReports` or :class:`InvalidReports`; then nothing
    of the body may be accepted. The fields are those of contract section 2.
    """
    try:
        submissions = _decode(body, ndjson=ndjson)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_slowly(body, ndjson=ndjson, tz=tz, max_reports=max_reports)
    if len(submissions) > max_reports:
        raise TooManyReports(len(submissions), max_reports)
    # An escaped NUL is the one forbidden character that the decoder lets through. The same six
    # characters after an escaped backslash are harmless; the slow way tells them apart.
    if b"\\u0000" in body:
        return _read_slowly(body, ndjson=ndjson, tz=tz, max_reports=max_reports)
    checked = _checked(submissions, tz)
    if checked is None:
        return _read_slowly(body, ndjson=ndjson, tz=tz, max_reports=max_reports)
    return checked


def _decode(body: bytes, *, ndjson: bool) -> list[Submission]:
    if ndjson:
        # Line by line: decode_lines would also take two objects on one line.
        return [_read_one(line) for line in body.split(b"\n") if line and not line.isspace()]
    if body.lstrip()[:1] == b"{":
        return [_read_one(body)]
    return _read_many(body)


def _checked(submissions: list[Submission], tz: ZoneInfo) -> list[Submission] | None:
    """Check what the decoder could not, for all reports together.

    Returns the reports with their times in the contract's form, or ``None`` when at least one
    report breaks a rule.
    """
    if not submissions:
        return submissions
    accounts, mobiles, statuses, times = zip(*map(_SENDER_FIELDS, submissions), strict=True)
    if not (
        STATUSES.issuperset(statuses)
        and all(map(validate_account_name, set(accounts)))
        and _lines_match(_MOBILES, mobiles)
    ):
        return None
    if _lines_match(_TIMES, times):
        dates = {time[:10] for time in times}
        return submissions if all(map(is_real_date, dates)) else None
    return _with_local_times(submissions, tz)


def _lines_match(pattern: re.Pattern[str], values: Sequence[str]) -> bool:
    """Match all values in one call; a value with a line feed of its own spoils the count."""
    text = "\n".join(values) + "\n"
    return pattern.fullmatch(text) is not None and text.count("\n") == len(values)


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


def _read_slowly(body: bytes, *, ndjson: bool, tz: ZoneInfo, max_reports: int) -> list[Submission]:
    """Look at each report by itself; raises the error that names all that is wrong."""
    values = _plain_lines(body) if ndjson else _plain_values(body)
    if len(values) > max_reports:
        raise TooManyReports(len(values), max_reports)
    by_field = rules(tz)
    errors = [
        error
        for index, value in enumerate(values)
        for error in check_report(index, value, by_field)
    ]
    if errors:
        raise InvalidReports(errors)
    submissions = _with_local_times(msgspec.convert(values, list[Submission]), tz)
    assert submissions is not None  # check_report has just found every time to be good
    return submissions


def _plain_lines(body: bytes) -> list[object]:
    return [
        _plain(line, number)
        for number, line in enumerate(body.split(b"\n"), start=1)
        if line and not line.isspace()
    ]


def _plain_values(body: bytes) -> list[object]:
    value = _plain(body)
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return [value]
    got = describe(value)
    raise MalformedBody(
        Words(
            f"the body must be a JSON object or an array of objects, got {got.en}",
            f"请求体必须是 JSON 对象或对象数组，收到的是 {got.zh}",
        )
    )


def _plain(data: bytes, line: int | None = None) -> object:
    """Decode JSON to plain Python values; ``line`` is its place in the body, ``None`` for all."""
    try:
        value: object = json.loads(
            data.decode(), parse_int=_bounded_int, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        before = data[: error.start]
        _malformed(
            f"not UTF-8 (byte 0x{data[error.start]:02x})",
            f"不是 UTF-8（字节 0x{data[error.start]:02x}）",
            line or before.count(b"\n") + 1,
            error.start - before.rfind(b"\n"),
        )
    except json.JSONDecodeError as error:
        _malformed(
            f"not JSON ({error.msg})",
            f"不是 JSON（{error.msg}）",
            line or error.lineno,
            error.colno,
        )
    except RecursionError:
        _malformed("nested too deeply", "嵌套过深", line or 1, 1)
    except _NotANumber as error:
        _malformed(f"not JSON ({error} is not a number)", f"不是 JSON（{error}）", line or 1, 1)
    return value


def _malformed(en: str, zh: str, line: int, column: int) -> NoReturn:
    raise MalformedBody(
        Words(f"line {line}, character {column}: {en}", f"第 {line} 行第 {column} 个字符：{zh}"),
        line=line,
        column=column,
    ) from None


class _NotANumber(ValueError):
    """``NaN`` or ``Infinity``, which Python's decoder takes and JSON does not know."""


def _refuse_constant(name: str) -> NoReturn:
    raise _NotANumber(name)


def _bounded_int(digits: str) -> int:
    # Python refuses to read integers of thousands of digits; any 20 digits are out of range too.
    return int(digits[:20])
