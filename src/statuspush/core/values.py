"""Reading decoded JSON values by rules: strict, and every mistake found in one go.

A rule takes what was given and returns what it means, or raises :class:`Wrong`. Nothing is
coerced: ``"10"`` and ``true`` are not numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from statuspush.core.rules import describe, joined, printable
from statuspush.core.words import Words

Rule = Callable[[object], Any]
Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrong field of what somebody sent."""

    field: str
    message: Words
    index: int | None = None
    """Position of the report in a submission, from 0; None where there is only one thing."""


class Wrong(Exception):
    """A value breaks its rule. ``words`` follow the field's name: "max_reports must be …"."""

    def __init__(self, words: Words) -> None:
        super().__init__(words.en)
        self.words = words


def wrong_value(value: object, expected: Words) -> Wrong:
    """The complaint about a wrong value, which it repeats.

    ``expected`` follows "must be": "a whole number from 1 to 500".
    """
    needed, got = must_be(expected), describe(value)
    return Wrong(Words(f"{needed.en}, got {got.en}", f"{needed.zh}，{joined('收到的是', got.zh)}"))


def must_be(expected: Words) -> Words:
    """What is expected, as a complaint: "must be a whole number from 1 to 500"."""
    return Words(f"must be {expected.en}", joined("必须是", expected.zh))


def mistake(field: str, complaint: Words) -> Mistake:
    """A complaint as the mistake of that field."""
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
            mistakes.append(_unknown(name, rules))
            continue
        try:
            read[name] = rule(value)
        except Wrong as wrong:
            mistakes.append(mistake(name, wrong.words))
    return read, mistakes


def _unknown(name: str, rules: Mapping[str, Rule]) -> Mistake:
    shown, known = printable(name), ", ".join(rules)
    if not known:
        return Mistake(shown, Words(f'"{shown}" is not known here', f"“{shown}” 无法识别"))
    return Mistake(
        shown,
        Words(
            f'"{shown}" is not known here; known are {known}',
            f"“{shown}” 无法识别；可用的有 {known}",
        ),
    )


def nullable(rule: Rule) -> Rule:
    """The rule, or null."""
    return lambda value: None if value is None else rule(value)


def word(kind: type[Word]) -> Callable[[object], Word]:
    """One of the words of an enumeration."""
    known = {member.value: member for member in kind}
    listed = ", ".join(known)
    expected = Words(f"one of {listed}", f"以下之一：{listed}")

    def read(value: object) -> Word:
        if isinstance(value, str) and value in known:
            return known[value]
        raise wrong_value(value, expected)

    return read
