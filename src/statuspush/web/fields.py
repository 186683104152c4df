"""Reading values out of request bodies and queries: strict, and every mistake named at once.

A rule takes what came and returns what it means, or raises :class:`Wrong`. Nothing is coerced:
``"10"`` and ``true`` are not numbers. The JSON schemas beside the rules say the same to the
OpenAPI document.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

from statuspush.core.moment import Milliseconds
from statuspush.core.rules import describe, printable, validate_account_name
from statuspush.core.words import Words
from statuspush.web.problems import Mistake, invalid

Rule = Callable[[object], Any]
Word = TypeVar("Word", bound=StrEnum)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_QUERY_INTEGER: Final = re.compile("[0-9]{1,9}")
MAX_NAME: Final = 200
_LATEST: Final[Milliseconds] = 7_258_118_400_000
"""2200-01-01, later than anything stored; engines need not hold larger numbers."""


class Wrong(Exception):
    """A value breaks its rule. The words follow the field's name: "max_reports must be …"."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.words = Words(en, zh)


def wrong_value(value: object, en: str, zh: str) -> Wrong:
    """The mistake of a value that may be repeated to the client."""
    got = describe(value)
    return Wrong(f"must be {en}, got {got.en}", f"必须是{zh}，收到的是 {got.zh}")


def mistake(field: str, complaint: Words) -> Mistake:
    """The mistake of that field."""
    return Mistake(field, Words(f"{field} {complaint.en}", f"{field} {complaint.zh}"))


def collect(
    values: Mapping[str, object], rules: Mapping[str, Rule]
) -> tuple[dict[str, Any], list[Mistake]]:
    """Read all values by their rules; unknown names are mistakes too."""
    read: dict[str, Any] = {}
    mistakes: list[Mistake] = []
    for name, value in values.items():
        rule = rules.get(name)
        if rule is None:
            known = ", ".join(rules)
            shown = printable(name)
            mistakes.append(
                Mistake(
                    shown,
                    Words(
                        f'"{shown}" is not known here; known are {known}'
                        if known
                        else f'"{shown}" is not known here',
                        f"“{shown}” 无法识别；可用的有 {known}" if known else f"“{shown}” 无法识别",
                    ),
                )
            )
            continue
        try:
            read[name] = rule(value)
        except Wrong as wrong:
            mistakes.append(mistake(name, wrong.words))
    return read, mistakes


def read_fields(
    values: Mapping[str, object], rules: Mapping[str, Rule], *, required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Like :func:`collect`, but raises the problem of all mistakes and missing fields."""
    read, mistakes = collect(values, rules)
    mistakes += [
        mistake(name, Words("is missing", "缺失")) for name in required if name not in values
    ]
    if mistakes:
        raise invalid(*mistakes)
    return read


def nullable(rule: Rule) -> Rule:
    """The rule, or null."""
    return lambda value: None if value is None else rule(value)


def integer(least: int, most: int) -> Rule:
    """A JSON integer in that range."""

    def read(value: object) -> int:
        if type(value) is int and least <= value <= most:
            return value
        raise wrong_value(
            value, f"a whole number from {least} to {most}", f" {least} 到 {most} 的整数"
        )

    return read


def seconds(least: float, most: float) -> Rule:
    """A JSON number of seconds in that range."""

    def read(value: object) -> float:
        if type(value) in (int, float):
            assert isinstance(value, int | float)
            if least <= value <= most:
                return float(value)
        raise wrong_value(
            value,
            f"a number of seconds from {least:g} to {most:g}",
            f" {least:g} 到 {most:g} 之间的秒数",
        )

    return read


def word(kind: type[Word]) -> Callable[[object], Word]:
    """One of the words of an enumeration."""
    known = {member.value: member for member in kind}
    listed = ", ".join(known)

    def read(value: object) -> Word:
        if isinstance(value, str) and value in known:
            return known[value]
        raise wrong_value(value, f"one of {listed}", f"以下之一：{listed}")

    return read


def name_of_account(value: object) -> str:
    """An account's name in paths and queries (contract of ``PUT /v1/accounts/{account}``)."""
    if isinstance(value, str) and validate_account_name(value):
        return value
    raise wrong_value(
        value,
        "an account name: a letter or digit, then up to 63 letters, digits or . _ -",
        "账户名：以字母或数字开头，其后最多 63 个字母、数字或 . _ -",
    )


def label(value: object) -> str:
    """A name for people: 1 to 200 characters, none of them a control character."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME:
        got = f"{len(value)} characters" if isinstance(value, str) else describe(value).en
        got_zh = f"{len(value)} 个字符" if isinstance(value, str) else describe(value).zh
        raise Wrong(
            f"must be a string of 1 to {MAX_NAME} characters, got {got}",
            f"必须是 1 到 {MAX_NAME} 个字符的字符串，收到的是 {got_zh}",
        )
    if found := _CONTROL.search(value):
        raise Wrong(
            f"must not contain control characters, found one at position {found.start()}",
            f"不能包含控制字符，出现在第 {found.start()} 位",
        )
    return value


def moment(value: object) -> Milliseconds:
    """A bound of time as RFC 3339 writes it, with its offset; in milliseconds since the epoch.

    What lies before the epoch or after the year 2199 means the same as its end: no limit.
    """
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        # The calendar's first and last days overflow in some offsets, hence both errors.
        with suppress(ValueError, OverflowError):
            moment = (datetime.fromisoformat(value.upper()) - _EPOCH) // _MILLISECOND
            return min(max(moment, 0), _LATEST)
    raise wrong_value(
        value,
        'a time with offset as in RFC 3339, such as "2026-01-02T03:04:05+08:00"',
        " RFC 3339 格式且带时差的时间，例如 “2026-01-02T03:04:05+08:00”",
    )


def rfc3339(time: Milliseconds) -> str:
    """The time as answers show it: ``2026-01-02T03:04:05.678Z``."""
    shown = _EPOCH + time * _MILLISECOND
    return shown.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


# Queries hold texts only, so these read the text.


def whole_number(least: int, most: int) -> Rule:
    """An integer in a query."""

    def read(value: object) -> int:
        text = str(value)
        if _QUERY_INTEGER.fullmatch(text) and least <= int(text) <= most:
            return int(text)
        raise wrong_value(
            text, f"a whole number from {least} to {most}", f" {least} 到 {most} 的整数"
        )

    return read


def flag(value: object) -> bool:
    """``true`` or ``false`` in a query."""
    if value in ("true", "false"):
        return value == "true"
    raise wrong_value(value, "true or false", " true 或 false")


def length(least: int, most: int) -> Rule:
    """A text in a query, of that many characters."""

    def read(value: object) -> str:
        text = str(value)
        if least <= len(text) <= most:
            return text
        raise Wrong(
            f"must have {least} to {most} characters, got {len(text)}",
            f"必须是 {least} 到 {most} 个字符，收到 {len(text)} 个",
        )

    return read
