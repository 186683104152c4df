"""Checkpoints of the write-ahead log, kept out of the way of commits.

A separate connection and thread do most of the work while commits go on. Under steady writing they
never catch up with the end of the log, so it would grow without end: the short rest is done between
two groups, after which SQLite starts the log over.
"""

import os
import sqlite3
import struct
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from statuspush.storage.damage import breaks
from statuspush.storage.file import connect

WAL_BYTES: Final = 32 << 20
"""Size of the write-ahead log at which a checkpoint begins."""


class Checkpoints:
    """Decides between two groups whether there is checkpoint work to do."""

    def __init__(
        self, database: Path, writer: sqlite3.Connection, wal_bytes: int | None = None
    ) -> None:
        self._wal_bytes = WAL_BYTES if wal_bytes is None else wal_bytes
        self._writer = writer
        # Held open to the end: closing any descriptor of the file would drop SQLite's locks.
        self._index = os.open(f"{database}-shm", os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._frame_bytes: int = writer.execute("PRAGMA page_size").fetchone()[0] + 24
        self._connection = connect(database)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._running: Future[None] | None = None

    def between_groups(self) -> Callable[[], None] | None:
        """The rest of a checkpoint, to be run while nothing is being written; usually None."""
        if self._running is not None:
            if not self._running.done():
                return None
            bulk, self._running = self._running, None
            return partial(self._finish, bulk)
        if self._size() >= self._wal_bytes:
            self._running = self._thread.submit(self._bulk)
        return None

    def _size(self) -> int:
        """Bytes of the log that are in use (the file itself is kept at its largest size).

        The number of its last frame is in the index's header: sqlite.org/walformat.html.
        """
        os.lseek(self._index, 16, os.SEEK_SET)
        last_frame: int = struct.unpack("=I", os.read(self._index, 4))[0]
        return last_frame * self._frame_bytes

    def _bulk(self) -> None:
        _checkpoint(self._connection, "PASSIVE")

    def _finish(self, bulk: Future[None]) -> None:
        bulk.result()
        _checkpoint(self._writer, "RESTART")

    def close(self) -> None:
        """Wait for a running checkpoint and close."""
        self._thread.shutdown()
        self._connection.close()

    def release(self) -> None:
        """Let go of the index; only after every connection is closed."""
        os.close(self._index)


def _checkpoint(connection: sqlite3.Connection, mode: str) -> None:
    """Run a checkpoint; raises only errors that leave it in doubt what is on the disk."""
    try:
        connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
    except sqlite3.Error as error:
        if breaks(error):
            raise
        # Disk full, for example: the log keeps everything, and the next group tries again.
