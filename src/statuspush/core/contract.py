"""What the contract fixes for every kind of report; the rest is in :mod:`statuspush.core.kinds`."""

from enum import StrEnum
from typing import Final


class Wire(StrEnum):
    """How the JSON of a push is written into the form parameter (contract section 2)."""

    ROBUST = "robust"
    PLAIN = "plain"
    DOUBLE = "double"


class Mode(StrEnum):
    """The three modes of an account's push interface (contract section 1)."""

    OFF = "off"
    ON = "on"
    PAUSED = "paused"


PUSH_HEADERS: Final = (
    ("Accept", "application/json;charset=utf-8;"),
    ("Content-Type", "application/x-www-form-urlencoded;charset=utf-8;"),
)
"""The two headers of every push, as the contract spells them (section 2)."""
