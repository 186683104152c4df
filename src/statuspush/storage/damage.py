"""Which SQLite errors leave it in doubt what is on the disk."""

import sqlite3

BROKEN = frozenset(
    {
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_DIR_FSYNC,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)
"""After these it is unknown what the disk holds; going on might acknowledge what is lost."""
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""The same, with all their extended codes."""


def breaks(error: sqlite3.Error) -> bool:
    """Does the error leave it in doubt what is on the disk?"""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code in BROKEN or code & 0xFF in _DAMAGED)
