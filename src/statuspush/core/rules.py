"""The rules for each field of a submitted report, and what is said when one is broken.

This is the careful half of :mod:`statuspush.core.report`: it looks at one report at a time and
names every mistake in it. A batch without mistakes never comes here.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from statuspush.core.words import Words, verbatim

MAX_SID: Final = 32
MAX_UID: Final = 256
MAX_ERROR_MSG: Final = 1024
MAX_DURATION: Final = 2**31 - 1
STATUSES: Final = frozenset({"SUCCESS", "FAIL"})

ACCOUNT_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""Name of an account, as a regular expression to be matched against the whole name."""
MOBILE_PATTERN: Final = r"\+?[0-9]{3,20}"
TIME_PATTERN: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
DATE_PATTERN: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

_ACCOUNT: Final = re.compile(ACCOUNT_PATTERN)
_MOBILE: Final = re.compile(MOBILE_PATTERN)
_CONTRACT_TIME: Final = re.compile(rf"({DATE_PATTERN}) {TIME_PATTERN}")
_ISO_TIME: Final = re.compile(
    rf"({DATE_PATTERN})[T ]({TIME_PATTERN})(?:[.,][0-9]{{1,9}})?(Z|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)"
)
_UNWRITABLE: Final = re.compile("[\x00\ud800-\udfff]")

_SHOWN_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True)
class FieldError:
    """One mistake in one submitted report."""

    index: int
    """Position of the report in what was submitted, counted from 0."""
    field: str
    """The key that is wrong; empty when the report as a whole is."""
    words: Words
    """What was wrong and what is expected."""


Rule = Callable[[object], Words | None]


def is_real_date(text: str) -> bool:
    """Tell whether ``text``, already of the form ``YYYY-MM-DD``, is a day of the calendar."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def local_time(text: str, tz: ZoneInfo) -> str | None:
    """Bring a time to the form of the contract: ``YYYY-MM-DD HH:MM:SS`` (contract section 2).

    A time that has this form is taken as local time already. ISO 8601 with an offset or ``Z`` is
    converted to ``tz``; fractions of a second are cut. Returns ``None`` for everything else,
    including days and hours that do not exist.
    """
    if match := _CONTRACT_TIME.fullmatch(text):
        return text if is_real_date(match[1]) else None
    match = _ISO_TIME.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3]}").astimezone(tz)
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=None).isoformat(" ", "seconds")


def validate_account_name(name: str) -> bool:
    """Tell whether ``name`` is a letter or digit and up to 63 of letters, digits, ``._-``."""
    return _ACCOUNT.fullmatch(name) is not None


def printable(text: str) -> str:
    """Shorten ``text`` for a message, with whatever cannot be written as UTF-8 escaped."""
    if len(text) > _SHOWN_CHARACTERS:
        text = text[:_SHOWN_CHARACTERS] + "…"
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def describe(value: object) -> Words:
    """Name a decoded JSON value for a message."""
    match value:
        case None:
            return verbatim("null")
        case bool():
            return verbatim("true" if value else "false")
        case int() | float():
            return Words(f"the number {value}", f"数字 {value}")
        case str():
            return verbatim(printable(json.dumps(value, ensure_ascii=False)))
        case list():
            return Words("an array", "一个数组")
    return Words("an object", "一个对象")


def _wrong(value: object, en: str, zh: str) -> Words:
    got = describe(value)
    return Words(f"must be {en}, got {got.en}", f"必须是{zh}，收到的是 {got.zh}")


def _check_text(value: str) -> Words | None:
    """Refuse the two things that JSON can escape but databases and UTF-8 cannot hold."""
    found = _UNWRITABLE.search(value)
    if found is None:
        return None
    if found[0] == "\x00":
        return Words(
            f"must not contain the NUL character, found at position {found.start()}",
            f"不能包含 NUL 字符，出现在第 {found.start()} 位",
        )
    escape = f"\\u{ord(found[0]):04x}"
    return Words(
        f"must not contain half a surrogate pair, found {escape} at position {found.start()}",
        f"不能包含不成对的代理字符，第 {found.start()} 位是 {escape}",
    )


def _text(least: int, most: int, *, nullable: bool = False) -> Rule:
    wanted = Words(
        f"a string of {f'{least} to' if least else 'at most'} {most} characters"
        + (" or null" if nullable else ""),
        f"{f' {least} 到' if least else '最多'} {most} 个字符的字符串"
        + (" 或 null" if nullable else ""),
    )

    def check(value: object) -> Words | None:
        if value is None and nullable:
            return None
        if not isinstance(value, str):
            return _wrong(value, wanted.en, wanted.zh)
        if not least <= len(value) <= most:
            return Words(
                f"must be {wanted.en}, got {len(value)} characters",
                f"必须是{wanted.zh}，收到的是 {len(value)} 个字符",
            )
        return _check_text(value)

    return check


def _check_account(value: object) -> Words | None:
    if isinstance(value, str) and validate_account_name(value):
        return None
    return _wrong(
        value,
        "an account name: a letter or digit, then up to 63 letters, digits or . _ -",
        "账户名：以字母或数字开头，其后最多 63 个字母、数字或 . _ -",
    )


def _check_mobile(value: object) -> Words | None:
    if isinstance(value, str) and _MOBILE.fullmatch(value):
        return None
    return _wrong(
        value,
        "a number as a string: 3 to 20 digits, with or without a leading +",
        "字符串形式的号码：3 到 20 位数字，前面可以有 +",
    )


def _check_duration(value: object) -> Words | None:
    if type(value) is int and 0 <= value <= MAX_DURATION:
        return None
    return _wrong(
        value,
        f"a whole number of seconds from 0 to {MAX_DURATION}",
        f" 0 到 {MAX_DURATION} 的整数（秒）",
    )


def _check_status(value: object) -> Words | None:
    if isinstance(value, str) and value in STATUSES:
        return None
    return _wrong(value, "SUCCESS or FAIL", " SUCCESS 或 FAIL")


def _check_time(value: object, tz: ZoneInfo) -> Words | None:
    if isinstance(value, str) and local_time(value, tz) is not None:
        return None
    return _wrong(
        value,
        "an existing time, YYYY-MM-DD HH:MM:SS or ISO 8601 with an offset",
        "真实存在的时间，格式为 YYYY-MM-DD HH:MM:SS 或带时区的 ISO 8601",
    )


_OPTIONAL: Final = frozenset({"uid", "error_msg"})


def rules(tz: ZoneInfo) -> Mapping[str, Rule]:
    """Give the rule of each field; ``tz`` is the zone that times with an offset are brought to."""
    return {
        "account": _check_account,
        "sid": _text(1, MAX_SID),
        "uid": _text(0, MAX_UID, nullable=True),
        "user_receive_time": partial(_check_time, tz=tz),
        "duration": _check_duration,
        "error_msg": _text(0, MAX_ERROR_MSG, nullable=True),
        "mobile": _check_mobile,
        "report_status": _check_status,
    }


def check_report(index: int, value: object, rules: Mapping[str, Rule]) -> list[FieldError]:
    """Find every mistake in one decoded report.

    ``index`` is its position in what was submitted, ``value`` what JSON made of it. The mistakes
    come in the order of ``rules``, unknown keys last; an empty list means a good report.
    """
    if not isinstance(value, dict):
        shape = _wrong(value, "a JSON object", " JSON 对象")
        words = Words(f"the report {shape.en}", f"报告{shape.zh}")
        return [FieldError(index, "", words)]
    errors = []
    for field, rule in rules.items():
        if field not in value:
            if field not in _OPTIONAL:
                missing = Words(f"{field} is missing", f"缺少 {field}")
                errors.append(FieldError(index, field, missing))
        elif complaint := rule(value[field]):
            words = Words(f"{field} {complaint.en}", f"{field} {complaint.zh}")
            errors.append(FieldError(index, field, words))
    known = ", ".join(rules)
    for key in value:
        if key not in rules:
            name = printable(key)
            errors.append(
                FieldError(
                    index,
                    name,
                    Words(
                        f'"{name}" is not a field of a report; the fields are {known}',
                        f"“{name}” 不是报告的字段；报告的字段是 {known}",
                    ),
                )
            )
    return errors
