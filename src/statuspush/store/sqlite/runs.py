"""Runs: stretches of the log, sorted in bulk, for look-ups and for finding duplicates.

A full tail is turned into a run: its keys are sorted into blocks, by their position among the
search keys (the column ``kind``) and the upper bits of their fingerprint; and each account gets a
directory of its chunks. None of this is on the hot path; all of it could be rebuilt from the log.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from statuspush.core.batch import NO_TEXT
from statuspush.storage.marks import Fingerprints, marks_of
from statuspush.storage.sid_filter import make_filter
from statuspush.store.sqlite.tail import UNIQUE, Tail

_BUCKET_BITS: Final = 6
BUCKETS: Final = 1 << _BUCKET_BITS
_ENTRY: Final = np.dtype([("fingerprint", "<u8"), ("chunk", "<u4")])
_DIRECTORY_ENTRY: Final = np.dtype([("seq", "<u4"), ("chunk", "<u4")])
"""Relative to the row's first_seq and first_chunk."""


@dataclass(frozen=True, slots=True)
class DirectoryRow:
    """Chunks of one account in a run."""

    account: int
    first_seq: int
    end_seq: int
    entries: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """A sorted stretch of the log, ready to be written."""

    first_chunk: int
    last_chunk: int
    reports: int
    newest_at: int
    marks: Fingerprints
    filter: bytes
    """Made of the marks."""
    blocks: Sequence[tuple[int, int, bytes]]
    """(kind, bucket, entries)"""
    directory: Sequence[DirectoryRow]


def sort_run(tail: Tail, filter_rows: int) -> Run:
    """Sort a full tail, which must not grow any more, into a run. CPU only; any thread."""
    chunks = np.array(tail.chunks, np.uint32)
    blocks: list[tuple[int, int, bytes]] = []
    for kind, fingerprints in enumerate(tail.keys):
        blocks.extend(_blocks(kind, np.array(fingerprints, np.uint64), chunks))
    directory = []
    for account, held in tail.by_account.items():
        entries = np.empty(len(held.seqs), _DIRECTORY_ENTRY)
        entries["seq"] = np.array(held.seqs, np.uint64) - held.seqs[0]
        entries["chunk"] = np.array(held.chunks, np.uint64) - tail.first_chunk
        directory.append(DirectoryRow(account, held.seqs[0], held.end_seq, entries.tobytes()))
    accounts = np.array(tail.accounts, np.uint64)
    marks = marks_of(np.array(tail.keys[UNIQUE], np.uint64), accounts[chunks])
    return Run(
        first_chunk=tail.first_chunk,
        last_chunk=tail.next_chunk - 1,
        reports=tail.reports,
        newest_at=tail.newest_at,
        marks=marks,
        filter=make_filter(marks, filter_rows),
        blocks=blocks,
        directory=directory,
    )


def _blocks(
    kind: int, fingerprints: Fingerprints, chunks: npt.NDArray[np.uint32]
) -> Iterator[tuple[int, int, bytes]]:
    """(kind, bucket, sorted entries) of one search key; reports without a text are left out."""
    order = np.argsort(fingerprints, kind="stable")
    if kind != UNIQUE:
        order = order[np.searchsorted(fingerprints, NO_TEXT, "right", sorter=order) :]
    entries = np.empty(len(order), _ENTRY)
    entries["fingerprint"] = fingerprints[order]
    entries["chunk"] = chunks[order]
    limits = np.arange(1, BUCKETS, dtype=np.uint64) << np.uint64(64 - _BUCKET_BITS)
    parts = np.split(entries, np.searchsorted(entries["fingerprint"], limits))
    for bucket, part in enumerate(parts):
        if len(part):
            yield kind, bucket, part.tobytes()


def write_directory(
    connection: sqlite3.Connection, first_chunk: int, rows: Iterable[DirectoryRow]
) -> None:
    """Write a part of a run's directory; writing it again after a crash changes nothing."""
    connection.executemany(
        "INSERT OR REPLACE INTO directory (account, first_seq, end_seq, first_chunk, entries)"
        " VALUES (?, ?, ?, ?, ?)",
        [(row.account, row.first_seq, row.end_seq, first_chunk, row.entries) for row in rows],
    )


def new_run_id(connection: sqlite3.Connection) -> int:
    """The id for a new run; what an unfinished one left under it is removed."""
    run = int(connection.execute("SELECT coalesce(max(id), 0) + 1 FROM runs").fetchone()[0])
    connection.execute("DELETE FROM index_blocks WHERE run = ?", (run,))
    return run


def write_blocks(
    connection: sqlite3.Connection, run_id: int, blocks: Iterable[tuple[int, int, bytes]]
) -> None:
    """Write some of a run's blocks; they stay invisible until :func:`write_run`."""
    connection.executemany(
        "INSERT INTO index_blocks (kind, bucket, run, entries) VALUES (?, ?, ?, ?)",
        [(kind, bucket, run_id, entries) for kind, bucket, entries in blocks],
    )


def write_run(connection: sqlite3.Connection, run_id: int, run: Run) -> None:
    """Write the row that makes the run valid; all the rest must already be there."""
    connection.execute(
        "INSERT INTO runs (id, first_chunk, last_chunk, reports, newest_at, filter)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (run_id, run.first_chunk, run.last_chunk, run.reports, run.newest_at, run.filter),
    )


def remake_filters(connection: sqlite3.Connection, filter_rows: int) -> None:
    """Rebuild the filters that a migration has emptied, from the runs' blocks."""
    runs = connection.execute(
        "SELECT id, first_chunk, last_chunk FROM runs WHERE length(filter) = 0"
    ).fetchall()
    for run, first_chunk, last_chunk in runs:
        accounts = np.zeros(last_chunk - first_chunk + 1, np.uint64)
        for chunk, account in connection.execute(
            "SELECT id, account FROM chunks WHERE id BETWEEN ? AND ?", (first_chunk, last_chunk)
        ):
            accounts[chunk - first_chunk] = account
        blocks = [
            np.frombuffer(entries, _ENTRY)
            for (entries,) in connection.execute(
                "SELECT entries FROM index_blocks WHERE run = ? AND kind = ?", (run, UNIQUE)
            )
        ]
        entries = np.concatenate([np.empty(0, _ENTRY), *blocks])
        marks = marks_of(entries["fingerprint"].astype(np.uint64), accounts[entries["chunk"]])
        connection.execute(
            "UPDATE runs SET filter = ? WHERE id = ?", (make_filter(marks, filter_rows), run)
        )


def find_in_runs(
    connection: sqlite3.Connection, kind: int, wanted: Sequence[int], run: int | None = None
) -> Iterator[tuple[int, int]]:
    """(fingerprint, chunk) of every entry with one of the fingerprints, in one run or in all.

    One query for all of them, however many.
    """
    by_bucket: dict[int, list[int]] = {}
    for key in wanted:
        by_bucket.setdefault(key >> 64 - _BUCKET_BITS, []).append(key)
    places = ",".join("?" * len(by_bucket))
    rows = connection.execute(
        "SELECT b.bucket, r.first_chunk, b.entries FROM index_blocks b JOIN runs r ON r.id = b.run"
        f" WHERE b.kind = ? AND b.bucket IN ({places})"
        + (" AND b.run = ?" if run is not None else ""),
        (kind, *by_bucket, *(() if run is None else (run,))),
    )
    for bucket, first_chunk, entries in rows:
        block = np.frombuffer(entries, _ENTRY)
        fingerprints = block["fingerprint"]
        keys = np.array(by_bucket[bucket], np.uint64)
        starts = np.searchsorted(fingerprints, keys, "left")
        ends = np.searchsorted(fingerprints, keys, "right")
        for key, start, end in zip(by_bucket[bucket], starts, ends, strict=True):
            for offset in block["chunk"][start:end]:
                yield key, first_chunk + int(offset)


def chunks_of_range(
    connection: sqlite3.Connection, account: int, first_seq: int, end_seq: int
) -> list[int]:
    """Ids of the chunks in runs that hold seqs of [first_seq, end_seq) of an account, in order."""
    rows = connection.execute(
        "SELECT first_seq, first_chunk, entries FROM directory WHERE account = :account"
        " AND first_seq >= coalesce((SELECT max(first_seq) FROM directory"
        "                            WHERE account = :account AND first_seq <= :first), 0)"
        " AND first_seq < :end AND end_seq > :first ORDER BY first_seq",
        {"account": account, "first": first_seq, "end": end_seq},
    )
    chunks: list[int] = []
    for row_seq, first_chunk, entries in rows:
        held = np.frombuffer(entries, _DIRECTORY_ENTRY)
        seqs = held["seq"].astype(np.int64)
        start = max(0, int(np.searchsorted(seqs, first_seq - row_seq, "right")) - 1)
        end = int(np.searchsorted(seqs, end_seq - row_seq, "left"))
        chunks.extend((held["chunk"][start:end].astype(np.int64) + first_chunk).tolist())
    return chunks


def chunks_of_seqs(
    connection: sqlite3.Connection, account: int, seqs: Sequence[int]
) -> dict[int, int]:
    """The chunk of each of these seqs (in order), if it is in a run."""
    found: dict[int, int] = {}
    wanted = np.array(seqs, np.int64)
    for row_seq, end_seq, first_chunk, entries in connection.execute(
        "SELECT first_seq, end_seq, first_chunk, entries FROM directory WHERE account = :account"
        " AND first_seq >= coalesce((SELECT max(first_seq) FROM directory"
        "                            WHERE account = :account AND first_seq <= :first), 0)"
        " AND first_seq <= :last ORDER BY first_seq",
        {"account": account, "first": seqs[0], "last": seqs[-1]},
    ):
        held = np.frombuffer(entries, _DIRECTORY_ENTRY)
        here = wanted[(wanted >= row_seq) & (wanted < end_seq)]
        places = np.searchsorted(held["seq"].astype(np.int64), here - row_seq, "right") - 1
        chunks = held["chunk"][places].astype(np.int64) + first_chunk
        found.update(zip(here.tolist(), chunks.tolist(), strict=True))
    return found
