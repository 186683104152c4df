"""A report as its receiver sees it: exactly what was sent, and typed values beside it."""

from collections.abc import Mapping
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from statuspush.core.lines import write_line

PLATFORM_ZONE: Final = ZoneInfo("Asia/Shanghai")
"""Zone of a report's times unless the platform says otherwise (contract section 2)."""
HOME_REGION: Final = "CN"
"""Where numbers without a country code are, as ISO 3166 names it."""


class Received:
    """A received report of any kind; each kind derives its own class from this one.

    ``fields`` holds the JSON object as the sender meant it: every key that came, unknown ones
    too, with its value unchanged, except that a unique id sent as a number is text here. A kind
    adds an attribute for each of its keys: the value with its type, or ``None`` if the key is
    missing or its value has another type. Reports with equal fields and account are equal.
    """

    __slots__ = ("_region", "_zone", "account", "fields")

    keys: ClassVar[tuple[str, ...]]
    """The keys of the kind, in order."""
    unique: ClassVar[str]
    """The key of the unique id."""

    def __init__(
        self,
        fields: Mapping[str, object],
        account: str = "",
        *,
        zone: ZoneInfo = PLATFORM_ZONE,
        region: str = HOME_REGION,
    ) -> None:
        """Take a decoded report; its unique id is text.

        :param zone: of times, which come without an offset.
        :param region: of numbers without a country code, as ISO 3166 names it.
        """
        self.fields: Final = fields
        self.account: Final = account
        """The account: the name of the token that its push came with, empty without tokens."""
        self._zone = zone
        self._region = region

    @property
    def id(self) -> str:
        """The unique id."""
        return str(self.fields[self.unique])

    @property
    def extra(self) -> dict[str, object]:
        """What came beside the keys of the kind."""
        return {key: value for key, value in self.fields.items() if key not in self.keys}

    def typed(self) -> dict[str, object]:
        """The keys of the kind in order, with typed values."""
        return {key: getattr(self, key) for key in self.keys}

    def as_dict(self) -> dict[str, object]:
        """What was sent: the kind's keys in order as far as they came, then the others."""
        return dict(self._ordered())

    def _ordered(self) -> Mapping[str, object]:
        if tuple(self.fields) == self.keys:  # as nearly all are sent
            return self.fields
        ordered = {key: self.fields[key] for key in self.keys if key in self.fields}
        return ordered | self.extra

    def json(self) -> bytes:
        """:meth:`as_dict` as JSON in UTF-8, on one line."""
        return write_line(self._ordered())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return self.account == other.account and self.fields == other.fields

    def __hash__(self) -> int:
        return hash((self.account, self.id))

    def __repr__(self) -> str:
        # Never a number: reports end up in logs.
        return f"<{type(self).__name__} {self.id}>"


def text(value: object) -> str | None:
    """The value if it is text, else ``None``."""
    return value if isinstance(value, str) else None


def text_or_digits(value: object) -> str | None:
    """The same for texts that some platforms write as numbers when they consist of digits."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)


def whole(value: object) -> int | None:
    """The value if it is an integer, or text with the digits of one; else ``None``."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:20])
    return value if isinstance(value, int) and not isinstance(value, bool) else None
