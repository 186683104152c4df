"""A report as its receiver sees it: what was sent, kept exact, and typed values beside it."""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from statuspush.core.contract import VOICE_STATUS
from statuspush.receiver.lines import write_line

PLATFORM_ZONE: Final = ZoneInfo("Asia/Shanghai")
"""Zone of ``user_receive_time`` unless the platform says otherwise (contract section 2)."""
HOME_REGION: Final = "CN"
"""Where numbers without a country code are, as ISO 3166 names it."""

_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}")
_KEYS: Final = frozenset(VOICE_STATUS.keys)


class Status(StrEnum):
    """What became of a call (contract section 2)."""

    SUCCESS = "SUCCESS"
    FAIL = "FAIL"


class Report:
    """One voice status report.

    ``fields`` holds the JSON object as the sender meant it: every key that came, unknown ones
    too, with its value unchanged, but for a ``sid`` that came as a number and is text here. The
    attributes give the contract's keys with their types; one that is missing or of another type
    is ``None``, and ``fields`` still has what came. Reports with equal fields and account are
    equal.
    """

    __slots__ = ("_region", "_zone", "account", "fields")

    def __init__(
        self,
        fields: Mapping[str, object],
        account: str = "",
        *,
        zone: ZoneInfo = PLATFORM_ZONE,
        region: str = HOME_REGION,
    ) -> None:
        """Take a decoded report; it has a ``sid`` that is text."""
        self.fields: Final = fields
        self.account: Final = account
        """Whose it is: the name of the token that its push came with, empty without names."""
        self._zone = zone
        self._region = region

    @property
    def sid(self) -> str:
        """Id of the voice record, unique."""
        return str(self.fields["sid"])

    @property
    def uid(self) -> str | None:
        """The customer's own id; ``None`` is another value than the empty string."""
        uid = self.fields.get("uid")
        # Some platforms write numbers for what was given to them as numbers.
        return str(uid) if isinstance(uid, int) and not isinstance(uid, bool) else _text(uid)

    @property
    def user_receive_time(self) -> str | None:
        """When the user received the call, as it was sent; see :attr:`time`."""
        return _text(self.fields.get("user_receive_time"))

    @property
    def time(self) -> datetime | None:
        """:attr:`user_receive_time` as an aware datetime; ``None`` where that is no time."""
        text = self.user_receive_time
        if text is None or not _TIME.fullmatch(text):
            return None
        try:
            return datetime.fromisoformat(text).replace(tzinfo=self._zone)
        except ValueError:
            return None

    @property
    def duration(self) -> int | None:
        """Seconds of the call, 0 when it failed."""
        duration = self.fields.get("duration")
        if isinstance(duration, str) and duration.isascii() and duration.isdigit():
            return int(duration[:20])
        return duration if isinstance(duration, int) and not isinstance(duration, bool) else None

    @property
    def error_msg(self) -> str | None:
        """Why the call failed."""
        return _text(self.fields.get("error_msg"))

    @property
    def mobile(self) -> str | None:
        """The number called, as it was sent; see :attr:`mobile_e164`."""
        mobile = self.fields.get("mobile")
        return (
            str(mobile)
            if isinstance(mobile, int) and not isinstance(mobile, bool)
            else (_text(mobile))
        )

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
        return _text(self.fields.get("report_status"))

    @property
    def status(self) -> Status | None:
        """:attr:`report_status` as a value of the enumeration; ``None`` where it is neither."""
        try:
            return Status(self.report_status or "")
        except ValueError:
            return None

    @property
    def extra(self) -> dict[str, object]:
        """What came beside the contract's keys."""
        return {key: value for key, value in self.fields.items() if key not in _KEYS}

    def as_dict(self) -> dict[str, object]:
        """What was sent: the contract's keys in its order as far as they came, then the others."""
        return dict(self._ordered())

    def _ordered(self) -> Mapping[str, object]:
        if tuple(self.fields) == VOICE_STATUS.keys:  # as nearly all are sent
            return self.fields
        ordered = {key: self.fields[key] for key in VOICE_STATUS.keys if key in self.fields}
        return ordered | self.extra

    def json(self) -> bytes:
        """:meth:`as_dict` as JSON in UTF-8, on one line."""
        return write_line(self._ordered())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Report):
            return NotImplemented
        return self.account == other.account and self.fields == other.fields

    def __hash__(self) -> int:
        return hash((self.account, self.sid))

    def __repr__(self) -> str:
        # Never the number: reports end up in logs.
        return f"<Report {self.sid} {self.report_status}>"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
