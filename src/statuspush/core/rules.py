"""Rules for every submitted report, whatever its kind, and messages about wrong values."""

import json
import re
from dataclasses import dataclass
from typing import Final

from statuspush.core.words import Words, verbatim

ACCOUNT_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""Name of an account, as a regular expression to be matched against the whole name."""
ACCOUNT_NAME: Final = re.compile(ACCOUNT_PATTERN)
"""The same, compiled."""

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


def validate_account_name(name: str) -> bool:
    """Is ``name`` a letter or digit, then up to 63 letters, digits or ``._-``?"""
    return ACCOUNT_NAME.fullmatch(name) is not None


def check_account(value: object) -> Words | None:
    """Find what is wrong with the account of a report; the words follow the key."""
    if isinstance(value, str) and validate_account_name(value):
        return None
    return wrong(
        value,
        Words(
            "an account name: a letter or digit, then up to 63 letters, digits or . _ -",
            "账户名：以字母或数字开头，其后最多 63 个字母、数字或 . _ -",
        ),
    )


def printable(text: str) -> str:
    """Shorten ``text`` for a message; whatever UTF-8 cannot write is escaped."""
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


def wrong(value: object, wanted: Words) -> Words:
    """Say what a value has to be and what it is."""
    got = describe(value)
    return Words(
        f"must be {wanted.en}, got {got.en}", f"必须是{wanted.zh}，{joined('收到的是', got.zh)}"
    )


def joined(before: str, after: str) -> str:
    """Join two Chinese texts, with a space only if letters or digits follow."""
    return f"{before} {after}" if after[:1].isascii() else before + after
