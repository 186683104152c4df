"""The embedded engine: one SQLite file, one process, nothing to install."""

from statuspush.store.sqlite.engine import SqliteStore
from statuspush.store.sqlite.file import migrate_file, schema_version

__all__ = ["SqliteStore", "migrate_file", "schema_version"]
