"""The schema of the engine's database file."""

from typing import Final

from statuspush.storage.file import Schema

SCHEMA: Final = Schema(application_id=0x53545053, package="statuspush.store.sqlite")
"""The file is marked "STPS"."""
