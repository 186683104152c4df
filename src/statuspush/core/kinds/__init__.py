"""The kinds of report, one module each (contract section 8).

A further kind is a further module and a line in :data:`KINDS`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from statuspush.core.kinds.kind import Kind
from statuspush.core.kinds.received import Received
from statuspush.core.kinds.voice_status import VOICE_STATUS

__all__ = ["KINDS", "VOICE_STATUS", "Kind", "Received"]

KINDS: Final[Mapping[str, Kind[Any]]] = MappingProxyType(
    {
        VOICE_STATUS.name: VOICE_STATUS,
    }
)
"""Every kind by its name, as accounts name it."""
