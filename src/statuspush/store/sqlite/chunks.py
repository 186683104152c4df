"""Chunks in memory: those that grow in the present commit group, and the last ones written.

Submissions for the same account in one group share a chunk, so a row costs the same whether it
holds the reports of one submission or of ten.
"""

import sqlite3
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from statuspush.core.moment import Milliseconds
from statuspush.store.sqlite.tail import AccountChunks

CHUNK_REPORTS: Final = 500
_RECENT_BYTES: Final = 8 << 20
"""Chunk bodies kept in memory so that a push cut immediately needs no read."""

Row = tuple[int, int, int, int, Milliseconds, bytes]
"""A chunk as it is stored: the fields of :class:`Chunk`."""


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """A row of the log."""

    id: int
    account: int
    first_seq: int
    count: int
    accepted_at: Milliseconds
    body: bytes

    def part(self, first: int, end: int) -> bytes:
        """The fragments of seqs in [first, end) that it holds, newline-joined."""
        if first <= self.first_seq and self.first_seq + self.count <= end:
            return self.body
        first, end = max(first, self.first_seq), min(end, self.first_seq + self.count)
        return b"\n".join(self.body.split(b"\n")[first - self.first_seq : end - self.first_seq])


class OpenChunk(msgspec.Struct, gc=False):
    """A chunk that the present commit group has begun; not on disk yet."""

    id: int
    account: int
    first_seq: int
    count: int
    accepted_at: Milliseconds
    bodies: list[bytes]
    held: AccountChunks
    """The account's chunks in its tail."""

    def row(self) -> Row:
        """The row as of now."""
        body = b"\n".join(self.bodies)
        return (self.id, self.account, self.first_seq, self.count, self.accepted_at, body)


class ChunksInMemory:
    """Open chunks by account, and recent ones by id."""

    def __init__(self) -> None:
        self.growing: dict[int, OpenChunk] = {}
        """By account: the chunk that its next reports go into."""
        self._unwritten: dict[int, OpenChunk] = {}
        self._recent: dict[int, Row] = {}
        self._written: deque[tuple[range, int]] = deque()
        self._recent_bytes = 0

    def begin(self, chunk: OpenChunk) -> None:
        """Put the account's next reports into this chunk."""
        self.growing[chunk.account] = self._unwritten[chunk.id] = chunk

    def stop_growing(self) -> None:
        """The tail is full: what comes next belongs to a new one."""
        self.growing.clear()

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what the group has appended, just before its commit."""
        if not self._unwritten:
            return
        rows = [chunk.row() for chunk in self._unwritten.values()]
        connection.executemany(
            "INSERT INTO chunks (id, account, first_seq, count, accepted_at, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )
        self.growing.clear()
        self._unwritten.clear()
        self._remember(rows)

    def _remember(self, rows: Sequence[Row]) -> None:
        self._recent.update([(row[0], row) for row in rows])
        size = sum([len(row[5]) for row in rows])
        self._written.append((range(rows[0][0], rows[-1][0] + 1), size))
        self._recent_bytes += size
        while self._recent_bytes > _RECENT_BYTES and len(self._written) > 1:
            ids, size = self._written.popleft()
            self._recent_bytes -= size
            for chunk in ids:
                del self._recent[chunk]

    def get(self, chunk: int) -> Chunk | None:
        """A chunk by its id, if it is in memory; one that grows, as of now."""
        row = self._recent.get(chunk)
        if row is not None:
            return Chunk(*row)
        growing = self._unwritten.get(chunk)
        return None if growing is None else Chunk(*growing.row())

    def clear(self) -> None:
        """Forget everything, including what was not committed."""
        self.growing.clear()
        self._unwritten.clear()
        self._recent.clear()
        self._written.clear()
        self._recent_bytes = 0
