"""The embedded engine: one SQLite file, one process, nothing to install."""

from statuspush.store.sqlite.engine import SqliteStore
from statuspush.store.sqlite.schema import SCHEMA

__all__ = ["SCHEMA", "SqliteStore"]
