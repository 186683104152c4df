"""The fields that reports are made of, each with everything that follows from its rule.

A kind lists its fields once. The checks of a submission and their texts, the API document, the
columns of CSV files and the columns of a receiver's tables are all made from that list.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, Final, Literal
from zoneinfo import ZoneInfo

from statuspush.core.errors import InputError
from statuspush.core.rules import wrong
from statuspush.core.words import Words

TIME_PATTERN: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
DATE_PATTERN: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
PHONE_PATTERN: Final = r"\+?[0-9]{3,20}"

_OFFSET_PATTERN: Final = r"(?:[.,][0-9]{1,9})?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
_CONTRACT_TIME: Final = re.compile(rf"({DATE_PATTERN}) {TIME_PATTERN}")
_ISO_TIME: Final = re.compile(rf"({DATE_PATTERN})[T ]({TIME_PATTERN}){_OFFSET_PATTERN}")
_PHONE: Final = re.compile(PHONE_PATTERN)
_UNWRITABLE: Final = re.compile("[\x00\ud800-\udfff]")
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Field(ABC):
    """One key of a report and its rule."""

    key: str
    about: str
    """What it means, for the API document: a phrase without a full stop."""
    nullable: bool = field(default=False, kw_only=True)
    """May be null; a submission may leave it out, which means null."""

    json_type: ClassVar[Literal["string", "integer"]] = "string"
    """Type of its values in JSON, and of its column in a table."""

    @abstractmethod
    def wanted(self) -> Words:
        """What a value has to be, worded to follow "must be"."""

    @abstractmethod
    def complaint(self, value: object, tz: ZoneInfo) -> Words | None:
        """What is wrong with a value that is not null, or ``None``."""

    @abstractmethod
    def shape(self, tz: ZoneInfo) -> dict[str, Any]:
        """The rule as members of a JSON schema; ``tz`` is the zone of times without an offset."""

    def check(self, value: object, tz: ZoneInfo) -> Words | None:
        """Find what is wrong with a decoded value; the words follow the key."""
        if value is None and self.nullable:
            return None
        return self.complaint(value, tz)

    def refuse(self, value: object) -> Words:
        """Say that a value is not what is wanted."""
        return wrong(value, self._wanted_or_null())

    def schema(self, tz: ZoneInfo) -> dict[str, Any]:
        """Describe the field as OpenAPI 3.0 does (where null is a property of other types)."""
        shape = {"type": self.json_type, "description": f"{self.about}.", **self.shape(tz)}
        if self.nullable:
            shape["nullable"] = True
            shape["description"] = f"{self.about}; left out means null."
        return shape

    def from_cell(self, cell: str) -> object:
        """Read a cell of a CSV file; raises :class:`InputError` whose words follow the key."""
        return None if self.nullable and not cell else cell

    def _wanted_or_null(self) -> Words:
        wanted = self.wanted()
        if not self.nullable:
            return wanted
        return Words(f"{wanted.en} or null", f"{wanted.zh}或 null")


@dataclass(frozen=True, slots=True)
class Text(Field):
    """Any text within bounds, of characters that UTF-8 and databases can hold."""

    least: int = field(kw_only=True)
    """Fewest characters."""
    most: int = field(kw_only=True)
    """Most characters."""

    def wanted(self) -> Words:
        """Give the bounds."""
        return Words(
            f"a string of {f'{self.least} to' if self.least else 'at most'} {self.most} characters",
            f"{f' {self.least} 到' if self.least else '最多'} {self.most} 个字符的字符串",
        )

    def complaint(self, value: object, tz: ZoneInfo) -> Words | None:
        """Check type, length and characters."""
        if not isinstance(value, str):
            return self.refuse(value)
        if not self.least <= len(value) <= self.most:
            wanted = self._wanted_or_null()
            return Words(
                f"must be {wanted.en}, got {len(value)} characters",
                f"必须是{wanted.zh}，收到的是 {len(value)} 个字符",
            )
        return _unwritable(value)

    def shape(self, tz: ZoneInfo) -> dict[str, Any]:
        """Give the bounds."""
        least = {"minLength": self.least} if self.least else {}
        return {**least, "maxLength": self.most}


@dataclass(frozen=True, slots=True)
class WholeNumber(Field):
    """A JSON integer within bounds."""

    least: int = field(kw_only=True)
    most: int = field(kw_only=True)
    unit: Words = field(kw_only=True)
    """What it counts: ``seconds``."""

    json_type: ClassVar[Literal["string", "integer"]] = "integer"

    def wanted(self) -> Words:
        """Give unit and bounds."""
        return Words(
            f"a whole number of {self.unit.en} from {self.least} to {self.most}",
            f" {self.least} 到 {self.most} 的整数（{self.unit.zh}）",
        )

    def complaint(self, value: object, tz: ZoneInfo) -> Words | None:
        """Check type and bounds; ``true`` is not a number."""
        if type(value) is int and self.least <= value <= self.most:
            return None
        return self.refuse(value)

    def shape(self, tz: ZoneInfo) -> dict[str, Any]:
        """Give the bounds."""
        return {"minimum": self.least, "maximum": self.most}

    def from_cell(self, cell: str) -> object:
        """Read an integer."""
        text = cell.strip()
        if self.nullable and not text:
            return None
        if not _INTEGER.fullmatch(text):
            raise InputError(
                Words(f"must be an integer, not {text!r}", f"必须是整数，而不是 {text!r}")
            )
        return int(text)


@dataclass(frozen=True, slots=True)
class PhoneNumber(Field):
    """A telephone number as text: 3 to 20 digits, with or without a leading ``+``."""

    def wanted(self) -> Words:
        """Give the form."""
        return Words(
            "a number as a string: 3 to 20 digits, with or without a leading +",
            "字符串形式的号码：3 到 20 位数字，前面可以有 +",
        )

    def complaint(self, value: object, tz: ZoneInfo) -> Words | None:
        """Check the form."""
        if isinstance(value, str) and _PHONE.fullmatch(value):
            return None
        return self.refuse(value)

    def shape(self, tz: ZoneInfo) -> dict[str, Any]:
        """Give the form."""
        return {"pattern": f"^{PHONE_PATTERN}$"}


@dataclass(frozen=True, slots=True)
class LocalTime(Field):
    """A time, pushed as ``YYYY-MM-DD HH:MM:SS`` in the platform's zone."""

    def wanted(self) -> Words:
        """Give the forms."""
        return Words(
            "an existing time, YYYY-MM-DD HH:MM:SS or ISO 8601 with an offset",
            "真实存在的时间，格式为 YYYY-MM-DD HH:MM:SS 或带时区的 ISO 8601",
        )

    def complaint(self, value: object, tz: ZoneInfo) -> Words | None:
        """Check form and calendar."""
        if isinstance(value, str) and local_time(value, tz) is not None:
            return None
        return self.refuse(value)

    def shape(self, tz: ZoneInfo) -> dict[str, Any]:
        """Give the forms, as near as a pattern can."""
        return {
            "pattern": f"^{DATE_PATTERN}[T ]{TIME_PATTERN}"
            r"([.,][0-9]{1,9})?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?$",
            "description": f"{self.about}: `YYYY-MM-DD HH:MM:SS` in {tz.key}, or ISO 8601 with an "
            "offset, which is converted to it. A real date.",
        }


@dataclass(frozen=True, slots=True)
class OneOf(Field):
    """One of a few words."""

    words: tuple[str, ...] = field(kw_only=True)

    def wanted(self) -> Words:
        """List the words."""
        listed = self.words
        return Words(
            f"{', '.join(listed[:-1])} or {listed[-1]}",
            f" {'、'.join(listed[:-1])} 或 {listed[-1]}",
        )

    def complaint(self, value: object, tz: ZoneInfo) -> Words | None:
        """Check that it is one of the words."""
        return None if isinstance(value, str) and value in self.words else self.refuse(value)

    def shape(self, tz: ZoneInfo) -> dict[str, Any]:
        """List the words."""
        return {"enum": list(self.words)}


def _unwritable(value: str) -> Words | None:
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


def is_real_date(text: str) -> bool:
    """Is ``text``, already of the form ``YYYY-MM-DD``, a day of the calendar?"""
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


def lines_match(lines: re.Pattern[str], values: Sequence[str]) -> bool:
    """Match all values in one call, for kinds that check many reports together.

    ``lines`` matches any number of good values, each with a line feed behind it. Its repetition
    should be possessive (``*+``): the engine then does not remember a way back for each of
    thousands of lines. A value that contains a line feed itself spoils the count.
    """
    text = "\n".join(values) + "\n"
    return lines.fullmatch(text) is not None and text.count("\n") == len(values)
