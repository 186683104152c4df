"""How a request body becomes submitted reports of one kind.

Reading has two speeds. A body without mistakes is decoded in one go and checked as a whole. Only
if that fails is each report checked individually, by the rules of the kind's fields, so that one
answer tells the submitter every mistake in every report.
"""

import json
from collections.abc import Sequence
from typing import Any, Final, NoReturn
from zoneinfo import ZoneInfo

import msgspec

from statuspush.core.errors import InputError
from statuspush.core.kinds.kind import Kind, S
from statuspush.core.rules import (
    ACCOUNT_NAME,
    FieldError,
    check_account,
    describe,
    joined,
    printable,
    wrong,
)
from statuspush.core.words import Words

__all__ = ["FieldError", "InvalidReports", "MalformedBody", "TooManyReports", "read_submissions"]

MAX_REPORTS: Final = 10_000
MAX_ERRORS_KEPT: Final = 100


class MalformedBody(InputError):
    """The body is not JSON, or not JSON of the right shape; no report could be checked."""

    def __init__(self, text: Words, *, line: int | None = None, column: int | None = None) -> None:
        """Keep the text and where the body stops making sense."""
        super().__init__(text)
        self.line = line
        """Line of the body, counted from 1; ``None`` when no single place is at fault."""
        self.column = column
        """Character in the line, counted from 1 (byte, when the line is not UTF-8)."""


class TooManyReports(InputError):
    """More reports in one body than are taken."""

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


def read_submissions(
    body: bytes, kind: Kind[S], *, ndjson: bool, tz: ZoneInfo, max_reports: int = MAX_REPORTS
) -> list[S]:
    """Read the reports of a request body: one object, an array of objects, or NDJSON.

    With ``ndjson`` each line is one report and blank lines are ignored. ``tz`` is the
    platform's zone: a time in ISO 8601 with an offset is rewritten to it. Nothing else is changed
    or coerced. An empty array gives an empty list. Of a key that occurs twice in one object the
    last value counts.

    Raises :class:`MalformedBody`, :class:`TooManyReports` or :class:`InvalidReports`; then nothing
    of the body may be accepted. The fields are ``account`` and those of the kind.
    """
    try:
        submissions = _decode(body, kind, ndjson=ndjson)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_slowly(body, kind, ndjson=ndjson, tz=tz, max_reports=max_reports)
    if not submissions:
        return submissions
    if len(submissions) > max_reports:
        raise TooManyReports(len(submissions), max_reports)
    # An escaped NUL is the one forbidden character that the decoder lets through. The same six
    # characters after an escaped backslash are harmless; the slow way tells them apart.
    if b"\\u0000" not in body and all(
        map(ACCOUNT_NAME.fullmatch, {submission.account for submission in submissions})
    ):
        checked = kind.checked(submissions, tz)
        if checked is not None:
            return checked
    return _read_slowly(body, kind, ndjson=ndjson, tz=tz, max_reports=max_reports)


def _decode(body: bytes, kind: Kind[S], *, ndjson: bool) -> list[S]:
    if ndjson:
        read_one = kind.read_one
        # Line by line: decode_lines would also take two objects on one line.
        return [read_one(line) for line in body.split(b"\n") if line and not line.isspace()]
    if body.lstrip()[:1] == b"{":
        return [kind.read_one(body)]
    return kind.read_many(body)


def _read_slowly(
    body: bytes, kind: Kind[S], *, ndjson: bool, tz: ZoneInfo, max_reports: int
) -> list[S]:
    """Check each report individually; raises the error that names all mistakes."""
    values = _plain_lines(body) if ndjson else _plain_values(body)
    if len(values) > max_reports:
        raise TooManyReports(len(values), max_reports)
    errors = [
        error
        for index, value in enumerate(values)
        for error in check_report(index, value, kind, tz)
    ]
    if errors:
        raise InvalidReports(errors)
    if not values:
        return []
    submissions = kind.checked([msgspec.convert(value, kind.submission) for value in values], tz)
    assert submissions is not None  # check_report has just found all of them to be good
    return submissions


def check_report(index: int, value: object, kind: Kind[Any], tz: ZoneInfo) -> list[FieldError]:
    """Find every mistake in one decoded report.

    ``index`` is its position in what was submitted, ``value`` what JSON made of it. The mistakes
    come in the order of the kind's fields, unknown keys last; an empty list means a good report.
    """
    if not isinstance(value, dict):
        shape = wrong(value, Words("a JSON object", " JSON 对象"))
        return [FieldError(index, "", Words(f"the report {shape.en}", f"报告{shape.zh}"))]
    errors = []
    if "account" not in value:
        errors.append(_missing(index, "account"))
    elif complaint := check_account(value["account"]):
        errors.append(_broken(index, "account", complaint))
    for field in kind.fields:
        if field.key not in value:
            if not field.nullable:
                errors.append(_missing(index, field.key))
        elif complaint := field.check(value[field.key], tz):
            errors.append(_broken(index, field.key, complaint))
    known = ("account", *kind.keys)
    errors += [_unknown(index, key, known) for key in value if key not in known]
    return errors


def _missing(index: int, field: str) -> FieldError:
    return FieldError(index, field, Words(f"{field} is missing", f"缺少 {field}"))


def _broken(index: int, field: str, complaint: Words) -> FieldError:
    return FieldError(index, field, Words(f"{field} {complaint.en}", f"{field} {complaint.zh}"))


def _unknown(index: int, key: str, known: Sequence[str]) -> FieldError:
    name, fields = printable(key), ", ".join(known)
    return FieldError(
        index,
        name,
        Words(
            f'"{name}" is not a field of a report; the fields are {fields}',
            f"“{name}” 不是报告的字段；报告的字段是 {fields}",
        ),
    )


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
            f"请求体必须是 JSON 对象或对象数组，{joined('收到的是', got.zh)}",
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
