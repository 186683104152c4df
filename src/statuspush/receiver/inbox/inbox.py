"""The inbox on one SQLite file: reports in, durable and each sid once; batches out, in order."""

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from statuspush.core.kinds import Kind
from statuspush.core.moment import Milliseconds
from statuspush.receiver.inbox.seen import Seen, mark
from statuspush.receiver.inbox.writer import CallFailed, Verb, Writer
from statuspush.storage.checkpoint import Checkpoints
from statuspush.storage.file import FileLock, Schema, opened

T = TypeVar("T")

SCHEMA: Final = Schema(application_id=0x53545249, package="statuspush.receiver.inbox")
"""The file is marked "STRI"."""
WINDOW_MS: Final = 72 * 3600 * 1000
"""How long a sid is remembered: as long as a platform keeps reports (contract section 7)."""
MAX_WAITING_BYTES: Final = 64 << 20
_BUSY_MS: Final = 2000
_ROW_REPORTS: Final = 1000
"""Most reports per row: beyond it, what a commit brings for an account goes into another row."""


class Kept(msgspec.Struct, frozen=True):
    """How the reports of one push were stored."""

    new: int
    repeats: int


class Batch(msgspec.Struct, frozen=True):
    """Reports of one account that arrived together, in the order of arrival."""

    id: int
    arrived_at: Milliseconds
    account: str
    reports: int
    body: bytes
    """One JSON object per line."""


def read_batches(connection: sqlite3.Connection, after: int, limit: int) -> list[Batch]:
    """Batches with ids greater than ``after``, oldest first, ``limit`` at most."""
    rows = connection.execute(
        "SELECT id, arrived_at, account, reports, body FROM batches"
        " WHERE id > ? ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [Batch(*row) for row in rows]


class _Put(msgspec.Struct, frozen=True):
    account: str
    sids: Sequence[str]
    marks: Sequence[int]
    body: bytes
    now: Milliseconds


class Inbox:
    """Holds what arrived until it is handled and the window is over; for one process.

    Made by :meth:`open`. Every method may be called from any thread.
    """

    def __init__(
        self,
        lock: FileLock,
        connection: sqlite3.Connection,
        checkpoints: Checkpoints,
        writer: Writer,
    ) -> None:
        self._lock = lock
        self._connection = connection
        self._checkpoints = checkpoints
        self._writer = writer

    @classmethod
    def open(
        cls,
        path: Path,
        kind: Kind[Any],
        *,
        window_ms: int = WINDOW_MS,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        stored: Callable[[], None] = lambda: None,
    ) -> "Inbox":
        """Open or create the file; raises :class:`~statuspush.core.errors.StoreRefused`.

        :param kind: of all the reports.
        :param stored: called on the inbox's thread after each commit that brought new reports.
        """
        with opened(path, SCHEMA) as (lock, connection, _):
            # "statuspush inbox" may be writing beside us, for a moment.
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            work = _Work(connection, kind, window_ms, stored)
            checkpoints = Checkpoints(path.resolve(), connection)
        writer = Writer(
            connection, work, max_bytes=max_waiting_bytes, between=checkpoints.between_groups
        )
        return cls(lock, connection, checkpoints, writer)

    def close(self) -> None:
        """Store what waits, and release the lock."""
        self._writer.close()
        self._checkpoints.close()
        self._connection.close()
        self._checkpoints.release()
        self._lock.release()

    def put(
        self, account: str, sids: Sequence[str], body: bytes, now: Milliseconds
    ) -> "Future[Kept]":
        """Store the reports of a push; the future is resolved once they are on disk.

        If the account has had a sid within the window, or it comes twice in the call, only the
        first report with it is kept. A push is stored as a whole or not at all.

        :param sids: of the reports, in order.
        :param body: the reports, one JSON object per line, each with its ``sid`` as text.
        """
        marks = [mark(account, sid) for sid in sids]
        return self._writer.call(_Put(account, sids, marks, body, now), len(body))

    def run(self, verb: Verb[T]) -> "Future[T]":
        """Run a verb inside the next transaction; the future is resolved once it is on disk."""
        return self._writer.call(verb)


def _last_batch(connection: sqlite3.Connection) -> int:
    """The highest number ever given to a batch."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batches'").fetchone()
    return int(row[0]) if row else 0


class _Work:
    """What the writer does with a group of calls."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        kind: Kind[Any],
        window_ms: int,
        stored: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._window_ms = window_ms
        self._stored = stored
        self._seen = Seen(connection, kind)
        self._seen.load()
        self._last = _last_batch(connection)
        self._after: list[Callable[[], None]] = []
        self._new = False

    def begin(self, calls: Sequence[Any]) -> list[Any]:
        self._after = []
        self._new = False
        puts = [call for call in calls if isinstance(call, _Put)]
        stored = iter(self._put(puts)) if puts else iter(())
        return [next(stored) if isinstance(call, _Put) else self._run(call) for call in calls]

    def _run(self, verb: Verb[T]) -> T:
        try:
            return verb(self._connection)
        except sqlite3.Error:
            raise
        except Exception as error:
            raise CallFailed(verb) from error

    def committed(self) -> None:
        for each in self._after:
            each()
        if self._new:
            self._stored()

    def rolled_back(self) -> None:
        # What is seen changes in committed() alone.
        self._last = _last_batch(self._connection)

    def _put(self, puts: Sequence[_Put]) -> list[Kept]:
        """Store the reports of many pushes: one check for repeats, few rows."""
        now = max(put.now for put in puts)
        names = [(put.account, sid) for put in puts for sid in put.sids]
        marks = [each for put in puts for each in put.marks]
        known = self._seen.known(marks, names.__getitem__)
        plain = not known and len(set(names)) == len(names)
        fresh: dict[str, list[_Fresh]] = {}
        first: set[tuple[str, str]] = set()
        results: list[Kept] = []
        start = 0
        for put in puts:
            end = start + len(put.sids)
            new: Sequence[int] = range(len(put.sids))
            if not plain:
                new = []
                for index in range(start, end):
                    if index not in known and names[index] not in first:
                        first.add(names[index])
                        new.append(index - start)
            if new:
                rows = fresh.setdefault(put.account, [_Fresh([], [])])
                if len(rows[-1].marks) >= _ROW_REPORTS:
                    rows.append(_Fresh([], []))
                rows[-1].add(put, new)
            results.append(Kept(len(new), len(put.sids) - len(new)))
            start = end
        if self._seen.to_sort:
            self._after.append(self._seen.sort())
            self._after.append(self._seen.forget(now - self._window_ms))
        for account, rows in fresh.items():
            for held in rows:
                self._insert(account, held, now)
        return results

    def _insert(self, account: str, held: "_Fresh", now: Milliseconds) -> None:
        self._last += 1
        batch, marks = self._last, held.marks
        packed = np.array(marks, np.uint64).tobytes()
        body = b"\n".join(held.bodies)
        self._connection.execute(
            "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)",
            (batch, now, account, len(marks), packed, body),
        )
        self._after.append(lambda: self._seen.add(batch, marks, now))
        self._new = True


class _Fresh(msgspec.Struct):
    """One account's new reports in a group."""

    bodies: list[bytes]
    marks: list[int]

    def add(self, put: _Put, new: Sequence[int]) -> None:
        """Add the reports of a push that are new, by their positions in it."""
        if len(new) == len(put.sids):
            self.bodies.append(put.body)
        else:
            lines = put.body.split(b"\n")
            self.bodies.extend([lines[place] for place in new])
        self.marks.extend([put.marks[place] for place in new])
