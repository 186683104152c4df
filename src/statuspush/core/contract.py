"""The numbers and words of a report kind, as one frozen value.

The flow, the wire and the lifecycle take a :class:`Kind`; none of them holds a number of the
contract itself. Further kinds of the family (``sms_status``, ``flow_status``, ``sms_reply``)
are further values of this type.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Wire(StrEnum):
    """How the JSON of a push is written into the form parameter (contract section 2)."""

    ROBUST = "robust"
    PLAIN = "plain"
    DOUBLE = "double"


class Mode(StrEnum):
    """The three positions of an account's push interface (contract section 1)."""

    OFF = "off"
    ON = "on"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of report and what the contract fixes for it."""

    name: str
    """Name of the kind."""
    parameter: str
    """Name of the form parameter that carries the JSON."""
    keys: tuple[str, ...]
    """The keys of a report, in the order in which they are written."""
    max_reports: int
    """Most reports in one push."""
    retries: int
    """Sends after the first one."""
    retry_interval_seconds: int
    """Seconds from the end of a failed send to the next one."""
    answers: frozenset[bytes]
    """Answers that acknowledge a push, letter for letter."""
    max_answer_bytes: int
    """An answer longer than this (before trimming) is never an acknowledgement."""

    @property
    def max_sends(self) -> int:
        """Most sends of the same reports before the push is exhausted."""
        return 1 + self.retries


VOICE_STATUS: Final = Kind(
    name="voice_status",
    parameter="voice_status",
    keys=(
        "sid",
        "uid",
        "user_receive_time",
        "duration",
        "error_msg",
        "mobile",
        "report_status",
    ),
    max_reports=500,
    retries=3,
    retry_interval_seconds=300,
    answers=frozenset({b"SUCCESS", b"0"}),
    max_answer_bytes=64,
)
"""The voice status report push interface (contract sections 2 to 4)."""

PUSH_HEADERS: Final = (
    ("Accept", "application/json;charset=utf-8;"),
    ("Content-Type", "application/x-www-form-urlencoded;charset=utf-8;"),
)
"""The two headers of every push, as the contract spells them (section 2)."""
