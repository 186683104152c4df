"""What the engine's database file is."""

from pathlib import Path
from typing import Final

from statuspush.storage import file

SCHEMA: Final = file.Schema(application_id=0x53545053, package="statuspush.store.sqlite")
"""The file is marked "STPS"."""


def migrate_file(database: Path) -> tuple[int, int]:
    """:func:`statuspush.storage.file.migrate_file` for the engine's file."""
    return file.migrate_file(database, SCHEMA)


def schema_version(database: Path) -> tuple[int, int]:
    """:func:`statuspush.storage.file.schema_version` for the engine's file."""
    return file.schema_version(database, SCHEMA)
