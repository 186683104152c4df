"""Which sids have arrived before: a filter over sorted runs on disk, and a dict for the newest.

A sid is known by its *mark*, 64 bits that stand for it and its account. The newest marks are in
memory; when enough have gathered they are sorted in bulk into a run, of which only a filter stays
in memory (4 bytes a sid). What the filter lets through is looked up in the run, and then compared
letter by letter with the stored reports, so that two sids are never taken for the same one.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from statuspush.core.batch import fingerprint
from statuspush.core.kinds import Kind
from statuspush.core.lines import read_line
from statuspush.core.moment import Milliseconds
from statuspush.storage.sid_filter import SidFilter, make_filter

RUN_REPORTS: Final = 65_536
"""Marks per run, which filters are sized for."""
_BUCKET_BITS: Final = 6
_BUCKETS_AT_HAND: Final = 128
_BATCHES_AT_HAND: Final = 32

_Marks = npt.NDArray[np.uint64]
_Batches = npt.NDArray[np.int64]


def mark(account: str, sid: str) -> int:
    """64 bits for a sid of an account; accounts may number their reports alike."""
    return fingerprint(f"{account}\n{sid}" if account else sid)


class Seen:
    """The sids within the window; used by the inbox's writer alone."""

    def __init__(self, connection: sqlite3.Connection, kind: Kind[Any]) -> None:
        self._connection = connection
        self._kind = kind
        self._filter = SidFilter()
        self._tail: dict[int, list[int]] = {}
        """Mark -> batches whose reports have it: nearly always one."""
        self._tail_marks = 0
        self._newest_at: Milliseconds = 0
        self._bucket = lru_cache(_BUCKETS_AT_HAND)(self._read_bucket)
        self._sids_of = lru_cache(_BATCHES_AT_HAND)(self._read_sids)

    def load(self) -> None:
        """Read what is stored; once, because this changes only with commits."""
        self._filter.load(self._connection.execute("SELECT id, filter FROM runs ORDER BY id"))
        for batch, at, marks in self._connection.execute(
            "SELECT id, arrived_at, marks FROM batches"
            " WHERE id > (SELECT coalesce(max(last_batch), 0) FROM runs) ORDER BY id"
        ):
            self.add(batch, np.frombuffer(marks, np.uint64).tolist(), at)

    def known(self, marks: Sequence[int], names: Callable[[int], tuple[str, str]]) -> set[int]:
        """Indices of the marks that arrived before.

        :param names: gives account and sid of an index, to be compared with what is stored.
        """
        # For the repeats of one push; retention may have removed a batch since the last ones.
        self._sids_of.cache_clear()
        found: set[int] = set()
        tail = self._tail
        for index in [index for index, each in enumerate(marks) if each in tail]:
            if self._holds(tail[marks[index]], *names(index)):
                found.add(index)
        for index, runs in self._filter.look(marks).items():
            if index not in found:
                batches = [batch for run in runs for batch in self._in_run(run, marks[index])]
                if batches and self._holds(batches, *names(index)):
                    found.add(index)
        return found

    def _holds(self, batches: Sequence[int], account: str, sid: str) -> bool:
        for batch in batches:
            of, sids = self._sids_of(batch)
            if sid in sids and account == of:
                return True
        return False

    def _read_sids(self, batch: int) -> tuple[str, frozenset[str]]:
        row = self._connection.execute(
            "SELECT account, body FROM batches WHERE id = ?", (batch,)
        ).fetchone()
        if row is None:  # retention removed it
            return "", frozenset()
        return row[0], frozenset([self._unique(line) for line in row[1].split(b"\n")])

    def _unique(self, line: bytes) -> str:
        try:
            return self._kind.unique_of(self._kind.read_unique(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return str(read_line(line)[self._kind.unique])

    def _in_run(self, run: int, wanted: int) -> list[int]:
        marks, batches = self._bucket(run, wanted >> 64 - _BUCKET_BITS)
        first, end = (
            int(np.searchsorted(marks, np.uint64(wanted), side)) for side in ("left", "right")
        )
        found: list[int] = batches[first:end].tolist()
        return found

    def _read_bucket(self, run: int, bucket: int) -> tuple[_Marks, _Batches]:
        row = self._connection.execute(
            "SELECT marks, batches FROM run_marks WHERE run = ? AND bucket = ?", (run, bucket)
        ).fetchone() or (b"", b"")
        return np.frombuffer(row[0], np.uint64), np.frombuffer(row[1], np.int64)

    def add(self, batch: int, marks: Sequence[int], at: Milliseconds) -> None:
        """Note that a batch is stored, so that its sids are known from now on."""
        for each in marks:
            self._tail.setdefault(each, []).append(batch)
        self._tail_marks += len(marks)
        self._newest_at = max(self._newest_at, at)

    @property
    def to_sort(self) -> bool:
        """Whether enough have gathered for a run."""
        return self._tail_marks >= RUN_REPORTS

    def sort(self) -> Callable[[], None]:
        """Write the oldest marks of the tail as a run, in the open transaction.

        Returns a function that takes the run into memory once the transaction is committed.
        """
        pairs = [(each, batch) for each, batches in self._tail.items() for batch in batches]
        pairs.sort(key=itemgetter(1))
        marks = np.array([each for each, _ in pairs], np.uint64)
        batches = np.array([batch for _, batch in pairs], np.int64)
        end = len(pairs)
        if end > RUN_REPORTS:
            # Whole batches, and no more marks than the filter is sized for.
            end = int(np.searchsorted(batches, batches[RUN_REPORTS])) or end
        run = self._write_run(marks[:end], batches[:end])

        def adopt() -> None:
            self._filter.assign(run, self._filter.prepare(marks[:end]))
            rest, self._tail, self._tail_marks = pairs[end:], {}, len(pairs) - end
            for each, batch in rest:
                self._tail.setdefault(each, []).append(batch)

        return adopt

    def _write_run(self, marks: _Marks, batches: _Batches) -> int:
        last_batch = int(batches[-1])
        order = np.argsort(marks, kind="stable")
        marks, batches = marks[order], batches[order]
        run = self._connection.execute(
            "INSERT INTO runs (last_batch, newest_at, filter) VALUES (?, ?, ?)",
            (last_batch, self._newest_at, make_filter(marks)),
        ).lastrowid
        assert run is not None
        limits = np.arange(1, 1 << _BUCKET_BITS, dtype=np.uint64) << np.uint64(64 - _BUCKET_BITS)
        at = np.searchsorted(marks, limits)
        parts = zip(np.split(marks, at), np.split(batches, at), strict=True)
        self._connection.executemany(
            "INSERT INTO run_marks VALUES (?, ?, ?, ?)",
            [
                (run, bucket, of_bucket.tobytes(), their_batches.tobytes())
                for bucket, (of_bucket, their_batches) in enumerate(parts)
            ],
        )
        return run

    def forget(self, older_than: Milliseconds) -> Callable[[], None]:
        """Drop the oldest run if all of it is older, in the open transaction.

        Returns a function that updates the memory once the transaction is committed.
        """
        rows = self._connection.execute(
            "DELETE FROM runs WHERE id = (SELECT min(id) FROM runs) AND newest_at < ? RETURNING id",
            (older_than,),
        ).fetchall()
        self._connection.executemany("DELETE FROM run_marks WHERE run = ?", rows)

        def drop() -> None:
            for (run,) in rows:
                self._filter.remove(run)
                self._bucket.cache_clear()

        return drop
