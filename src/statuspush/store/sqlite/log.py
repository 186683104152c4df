"""The log: reports as chunks in the order of acceptance, each sid once per account.

A chunk is a row of up to 500 reports of one account, and rows are only appended: no index is
updated on the hot path of a report. What is needed to find chunks again is kept in memory for the
end of the log (tail.py) and sorted in bulk for the rest (runs.py).
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np

from statuspush.core.batch import fingerprints, join_keys, no_fingerprints
from statuspush.core.fragment import found_in
from statuspush.core.kinds import Kind
from statuspush.core.moment import Milliseconds
from statuspush.storage.marks import marks_of
from statuspush.storage.sid_filter import SidFilter
from statuspush.store.sqlite.chunks import Chunk, ChunksInMemory
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.runs import Run, chunks_of_range, chunks_of_seqs
from statuspush.store.sqlite.sizes import Sizes
from statuspush.store.sqlite.tail import Tail

_LOADED_TOGETHER: Final = 20
"""Chunks read in one go at open, so that the fixed cost per read hardly counts."""


class ReportLog:
    """The log, on disk and in memory, and how to read it."""

    def __init__(self, connection: sqlite3.Connection, sizes: Sizes) -> None:
        self._connection = connection
        self._sizes = sizes
        self.tails: list[Tail] = []
        self.filter = SidFilter(sizes.filter_rows)
        self._run_reports: dict[int, int] = {}
        self.memory = ChunksInMemory()

    def load_runs(self) -> None:
        """Read the filters of all runs, unless they are known, as after a roll-back."""
        stored = dict(self._connection.execute("SELECT id, reports FROM runs"))
        if stored == self._run_reports:
            return
        self.filter = SidFilter(self._sizes.filter_rows)
        self.filter.load(self._connection.execute("SELECT id, filter FROM runs ORDER BY id"))
        self._run_reports = stored

    def adopt_run(self, run: int, content: Run, column: int) -> None:
        """The oldest tail is stored as a run: use that from now on.

        :param column: the filter's column that already has the run's bits.
        """
        self.filter.assign(run, column)
        self._run_reports[run] = content.reports
        self.tails.pop(0)

    def drop_run(self, run: int) -> None:
        """Retention removed a run."""
        self.filter.remove(run)
        self._run_reports.pop(run, None)

    @property
    def reports(self) -> int:
        """Reports stored."""
        return sum(self._run_reports.values()) + sum(tail.reports for tail in self.tails)

    def load_tails(self, states: Mapping[int, AccountState], now: Milliseconds) -> None:
        """Rebuild the tails from the rows after the last run, and correct ``next_seq`` by them."""
        self.memory.clear()
        first = self._connection.execute(
            "SELECT coalesce(max(last_chunk), 0) + 1 FROM runs"
        ).fetchone()[0]
        self.tails = [Tail(first, self._sizes.run_reports)]
        rows = self._connection.execute(
            "SELECT id, account, first_seq, count, accepted_at, body FROM chunks WHERE id >= ?"
            " ORDER BY id",
            (first,),
        )
        while some := rows.fetchmany(_LOADED_TOGETHER):
            self._load([Chunk(*row) for row in some], states, now)

    def _load(
        self, chunks: Sequence[Chunk], states: Mapping[int, AccountState], now: Milliseconds
    ) -> None:
        """Load the next rows of the log."""
        tail = self.open_tail()
        for chunk in chunks:
            tail.skip_to(chunk.id)
            tail.begin_chunk(chunk.account, chunk.first_seq, chunk.count)
            state = states.get(chunk.account)
            if state is not None:
                progress = state.progress
                progress.next_seq = max(progress.next_seq, chunk.first_seq + chunk.count)
        keys = _keys(chunks, states)
        accounts = np.repeat(
            np.array([chunk.account for chunk in chunks], np.uint64),
            [chunk.count for chunk in chunks],
        )
        marks = marks_of(np.frombuffer(keys, np.uint64, len(accounts)), accounts).tolist()
        ids, counts = [chunk.id for chunk in chunks], [chunk.count for chunk in chunks]
        if tail.oldest_at is None:
            # A clock that was ahead for a while must not keep the tail from being sorted.
            tail.oldest_at = min(chunks[0].accepted_at, now)
        times = [chunk.accepted_at for chunk in chunks]
        tail.add_reports(keys, marks, ids, counts, max(times))

    def open_tail(self) -> Tail:
        """The tail that takes what comes next."""
        if self.tails[-1].full:
            self.close_tail()
        return self.tails[-1]

    def close_tail(self) -> None:
        """Begin a new tail; the previous one no longer changes and can be sorted."""
        if self.tails[-1].reports:
            self.tails.append(Tail(self.tails[-1].next_chunk, self._sizes.run_reports))
            self.memory.stop_growing()

    # reading

    def chunk_ids(
        self, connection: sqlite3.Connection, account: int, first: int, end: int
    ) -> list[int]:
        """Ids of the chunks that hold seqs of [first, end), in order."""
        newest = self.tails[-1].by_account.get(account)
        if newest is not None and newest.seqs[0] <= first:
            return newest.covering(first, end)
        held = [tail.by_account[account] for tail in list(self.tails) if account in tail.by_account]
        in_tails = [chunks for chunks in held if chunks.end_seq > first and chunks.seqs[0] < end]
        ids: list[int] = []
        if not held or first < held[0].seqs[0]:
            before_tails = min(end, held[0].seqs[0]) if held else end
            ids.extend(chunks_of_range(connection, account, first, before_tails))
        for chunks in in_tails:
            ids.extend(chunks.covering(max(first, chunks.seqs[0]), end))
        return ids

    def read(self, connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, Chunk]:
        """Chunks by id, in one query for those not in memory; removed ones are missing.

        Only the writer's connection is answered from memory, because that may have chunks that
        are not committed yet.
        """
        found: dict[int, Chunk] = {}
        missing: list[int] = []
        writing = connection is self._connection
        for chunk_id in ids:
            chunk = self.memory.get(chunk_id) if writing else None
            if chunk is None:
                missing.append(chunk_id)
            else:
                found[chunk_id] = chunk
        if missing:
            for row in connection.execute(
                "SELECT c.id, c.account, c.first_seq, c.count, c.accepted_at, c.body"
                " FROM json_each(?) AS wanted CROSS JOIN chunks AS c ON c.id = wanted.value",
                (str(missing),),
            ):
                found[row[0]] = Chunk(*row)
        return found

    def accepted_at(
        self, connection: sqlite3.Connection, ids: Iterable[int]
    ) -> dict[int, Milliseconds]:
        """When chunks were accepted, without reading their bodies; removed ones are missing."""
        return dict(
            connection.execute(
                "SELECT c.id, c.accepted_at"
                " FROM json_each(?) AS wanted CROSS JOIN chunks AS c ON c.id = wanted.value",
                (str(list(ids)),),
            )
        )

    def of_accounts(self, ids: Iterable[int], accounts: Collection[int]) -> set[int]:
        """Which of these chunks in runs belong to one of the accounts; reads no bodies."""
        rows = self._connection.execute(
            "SELECT c.id, c.account"
            " FROM json_each(?) AS wanted CROSS JOIN chunks AS c ON c.id = wanted.value",
            (str(list(ids)),),
        )
        return {chunk for chunk, account in rows if account in accounts}

    def accepted(self, account: int, seqs: Sequence[int]) -> dict[int, Milliseconds]:
        """When reports of an account were accepted, if they are committed; for the writer.

        :param seqs: in order.
        """
        held = [tail.by_account[account] for tail in self.tails if account in tail.by_account]
        sorted_end = held[0].seqs[0] if held else seqs[-1] + 1
        before = [seq for seq in seqs if seq < sorted_end]
        chunk_of = chunks_of_seqs(self._connection, account, before) if before else {}
        for chunks in held:
            for seq in seqs:
                if chunks.seqs[0] <= seq < chunks.end_seq:
                    (chunk_of[seq],) = chunks.covering(seq, seq + 1)
        times = self.accepted_at(self._connection, set(chunk_of.values()))
        return {seq: times[chunk] for seq, chunk in chunk_of.items() if chunk in times}

    def first_kept(self, connection: sqlite3.Connection, account: int) -> int | None:
        """The lowest seq of an account that is stored; None if there is none."""
        tails = [tail.by_account[account] for tail in self.tails if account in tail.by_account]
        (in_runs,) = connection.execute(
            "SELECT min(first_seq) FROM directory WHERE account = ?", (account,)
        ).fetchone()
        seqs = [chunks.seqs[0] for chunks in tails[:1]] + ([] if in_runs is None else [in_runs])
        return min(seqs, default=None)

    def fragments(
        self, connection: sqlite3.Connection, account: int, first: int, end: int
    ) -> bytes:
        """The stored reports of [first, end) of an account, newline-joined."""
        ids = self.chunk_ids(connection, account, first, end)
        chunks = self.read(connection, ids)
        return b"\n".join([chunks[i].part(first, end) for i in ids if i in chunks])


def _keys(chunks: Sequence[Chunk], states: Mapping[int, AccountState]) -> bytes:
    """The fingerprints of all reports in chunks; blank for deleted accounts, never searched."""
    keys = []
    for kind, group in groupby(chunks, lambda chunk: _kind_of(chunk, states)):
        some = list(group)
        if kind is None:
            keys.append(no_fingerprints(sum(chunk.count for chunk in some)))
        else:
            body = b"\n".join([chunk.body for chunk in some])
            keys.append(fingerprints(found_in(body, kind), kind))
    return join_keys(keys)


def _kind_of(chunk: Chunk, states: Mapping[int, AccountState]) -> Kind[Any] | None:
    state = states.get(chunk.account)
    return None if state is None else state.kind
