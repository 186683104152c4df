"""A database file: its lock, its connections, its schema version."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from statuspush.core.errors import StoreRefused
from statuspush.storage.locks import lock

_PAGE_BYTES: Final = 8192
_CACHE_KIB: Final = 16 * 1024
_COPY_BYTES: Final = 1 << 20
_BINARY: Final = getattr(os, "O_BINARY", 0)
"""Otherwise Windows opens files as text."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a file of ours holds, and the migrations that made it."""

    application_id: int
    """Marks the file, so that another program's database is never migrated."""
    package: str
    """The package that has the folder ``migrations``."""

    def migrations(self) -> list[tuple[int, str]]:
        """(version, SQL) of each, in order; version n is the file whose name begins with n."""
        folder = files(self.package) / "migrations"
        found = [
            (int(entry.name.split("_", 1)[0]), entry.read_text("utf-8"))
            for entry in folder.iterdir()
            if entry.name.endswith(".sql")
        ]
        return sorted(found)


class FileLock:
    """Lets only one process have the file open; a second one is refused before it reads a page.

    It is a kernel lock on a file beside the database, and goes with the process.
    """

    def __init__(self, database: Path) -> None:
        self._path = Path(f"{database.resolve()}-lock")
        self._fd: int | None = None

    def acquire(self) -> None:
        """Raises :class:`StoreRefused` when another process holds the lock."""
        if not self._path.parent.is_dir():
            raise StoreRefused(f"the directory {self._path.parent} of the database does not exist")
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | _BINARY, 0o600)
        except OSError as error:
            raise StoreRefused(f"cannot open {self._path}: {error.strerror}") from error
        try:
            lock(fd)
        except OSError:
            holder = os.read(fd, 32).decode("ascii", "replace").strip()
            os.close(fd)
            raise StoreRefused(
                f"another statuspush process{f' (pid {holder})' if holder else ''} has this "
                f"database open; stop it first, or give this one its own database"
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd

    def release(self) -> None:
        """Release the lock."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def connect(database: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with our settings; the caller decides which thread uses it when.

    The writer has no rival (see :class:`FileLock`), so it never waits for a lock.
    """
    uri = f"{database.resolve().as_uri()}{'?mode=ro' if read_only else ''}"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        _configure(connection, read_only=read_only)
    except BaseException:
        connection.close()
        raise
    return connection


def _configure(connection: sqlite3.Connection, *, read_only: bool) -> None:
    # The promise of durability: a commit returns after its fsync.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    # Debian's SQLite overwrites deleted data with zeros: one write for each page that retention
    # frees, in a file that holds plenty of the same data in the clear.
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute(f"PRAGMA busy_timeout = {5000 if read_only else 0}")
    # We time checkpoints ourselves (checkpoint.py): SQLite's own would stall a commit.
    connection.execute("PRAGMA wal_autocheckpoint = 0")


def migrate(connection: sqlite3.Connection, database: Path, schema: Schema) -> tuple[int, int]:
    """Bring the schema up to date; return the versions before and after.

    Each migration is one transaction with its version number, so a crash leaves the file at
    one version or the next. Raises :class:`StoreRefused` if the file is newer than this
    program, or belongs to another one.
    """
    before = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    steps = schema.migrations()
    newest = steps[-1][0]
    empty = connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None
    if application != schema.application_id and not empty:
        raise StoreRefused(f"{database} is a database of another program; nothing was changed")
    if before > newest:
        raise StoreRefused(
            f"{database} has schema version {before}, this statuspush knows versions up to "
            f"{newest}; nothing was changed: run the newer statuspush again, or restore a backup"
        )
    # Only once it is certain that the file is ours: the journal mode is written to the file.
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreRefused(f"the file system of {database} has no shared memory for SQLite's WAL")
    for version, sql in steps:
        if version > before:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA application_id = {schema.application_id};\n"
                f"PRAGMA user_version = {version};\nCOMMIT;"
            )
    return before, newest


def migrate_file(database: Path, schema: Schema) -> tuple[int, int]:
    """Migrate a file that no process has open; return the versions before and after.

    Raises :class:`StoreRefused`.
    """
    with opened(database, schema) as (lock, connection, versions):
        connection.close()
        lock.release()
    return versions


@contextmanager
def opened(
    database: Path, schema: Schema
) -> Iterator[tuple[FileLock, sqlite3.Connection, tuple[int, int]]]:
    """Lock, open and migrate a file: its lock, a connection, the versions before and after.

    They are the caller's to close and release, unless the block fails: then that is done here, and
    an error of SQLite is a refusal to open. Raises :class:`StoreRefused`.
    """
    file_lock = FileLock(database)
    with ExitStack() as undo:
        file_lock.acquire()
        undo.callback(file_lock.release)
        connection = open_database(database)
        undo.callback(connection.close)
        with refusing(database):
            yield file_lock, connection, migrate(connection, database, schema)
        undo.pop_all()


def open_database(database: Path) -> sqlite3.Connection:
    """:func:`connect` for writing, with the operating system's errors in plain words."""
    try:
        # It holds customers' secrets: not for other users of the machine.
        os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))
        _write_log_again(database)
    except OSError as error:
        raise StoreRefused(f"cannot open the database {database}: {error.strerror}") from error
    with refusing(database):
        return connect(database)


def _write_log_again(database: Path) -> None:
    """Write the write-ahead log that a killed process left to disk again, byte for byte.

    After a failed fsync, the system still shows pages that it has given up writing. Recovery would
    read them, and go on after them: at the next power cut the log would end where they are
    missing, and everything acknowledged since would be lost.
    """
    try:
        log = os.open(f"{database.resolve()}-wal", os.O_RDWR | _BINARY)
    except FileNotFoundError:
        return
    try:
        at = 0
        while part := os.read(log, _COPY_BYTES):
            os.lseek(log, at, os.SEEK_SET)
            at += os.write(log, part)
            os.lseek(log, at, os.SEEK_SET)
        os.fsync(log)
    finally:
        os.close(log)


@contextmanager
def refusing(database: Path) -> Iterator[None]:
    """Turn SQLite errors while opening into a refusal to open."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreRefused(f"cannot open the database {database}: {error}") from error


def schema_version(database: Path, schema: Schema) -> tuple[int, int]:
    """Version of the file's schema, and the newest this program knows."""
    connection = connect(database, read_only=True)
    try:
        present = int(connection.execute("PRAGMA user_version").fetchone()[0])
        return present, schema.migrations()[-1][0]
    finally:
        connection.close()
