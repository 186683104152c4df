"""The log: reports as chunks in the order of acceptance, each sid once an account.

A chunk is a row of up to 500 reports of one account, and rows are only appended: no index is
updated on the way of a report. What is needed to find chunks again is kept in memory for the
end of the log (tail.py) and sorted in bulk behind it (runs.py).
"""

import sqlite3
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from statuspush.clock import Milliseconds
from statuspush.core.batch import NO_UID, fingerprint
from statuspush.store.sqlite.chunks import Chunk, ChunksInMemory
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.runs import Run, chunks_of_range
from statuspush.store.sqlite.sid_filter import SidFilter
from statuspush.store.sqlite.tail import Tail

_LOADED_TOGETHER: Final = 20
"""Chunks read in one go at open: what is not for each of them by itself costs nothing then."""


class Keys(msgspec.Struct, frozen=True, gc=False):
    """What a stored report is looked up by."""

    sid: str
    mobile: str
    uid: str | None = None


_keys_decoder: Final = msgspec.json.Decoder(list[Keys])


def keys_of(body: bytes) -> list[Keys]:
    """The keys of a chunk's reports, in order."""
    return _keys_decoder.decode(b"[" + body.replace(b"\n", b",") + b"]")


class ReportLog:
    """What there is of the log, on disk and in memory, and how to read it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.tails: list[Tail] = []
        self.filter = SidFilter()
        self._run_reports: dict[int, int] = {}
        self.memory = ChunksInMemory()

    def load_runs(self) -> None:
        """Read the filters of all runs; once, at open."""
        self._run_reports = dict(self._connection.execute("SELECT id, reports FROM runs"))
        self.filter.load(self._connection.execute("SELECT id, filter FROM runs ORDER BY id"))

    def adopt_run(self, run: int, content: Run) -> None:
        """A tail was written as a run: look there for it from now on."""
        self.filter.add(run, content.sids)
        self._run_reports[run] = content.reports
        if self.tails[0].first_chunk == content.first_chunk:  # not rebuilt meanwhile
            self.tails.pop(0)

    def drop_run(self, run: int) -> None:
        """Retention removed a run."""
        self.filter.remove(run)
        self._run_reports.pop(run, None)

    @property
    def reports(self) -> int:
        """Reports stored."""
        return sum(self._run_reports.values()) + sum(tail.reports for tail in self.tails)

    def load_tails(self, states: Mapping[int, AccountState]) -> None:
        """Rebuild the tails from the rows behind the last run, and correct ``next_seq`` by them."""
        self.memory.clear()
        first = self._connection.execute(
            "SELECT coalesce(max(last_chunk), 0) + 1 FROM runs"
        ).fetchone()[0]
        self.tails = [Tail(first)]
        rows = self._connection.execute(
            "SELECT id, account, first_seq, count, accepted_at, body FROM chunks WHERE id >= ?"
            " ORDER BY id",
            (first,),
        )
        while some := rows.fetchmany(_LOADED_TOGETHER):
            self._load([Chunk(*row) for row in some], states)

    def _load(self, chunks: Sequence[Chunk], states: Mapping[int, AccountState]) -> None:
        """Take in the next rows of the log."""
        tail = self.open_tail()
        for chunk in chunks:
            tail.next_chunk = chunk.id
            tail.begin_chunk(chunk.account, chunk.first_seq, chunk.count)
            state = states.get(chunk.account)
            if state is not None:
                state.next_seq = max(state.next_seq, chunk.first_seq + chunk.count)
        keys = keys_of(b"\n".join([chunk.body for chunk in chunks]))
        sids = [fingerprint(k.sid) for k in keys]
        found = array("Q", sids)
        found.extend([fingerprint(k.mobile) for k in keys])
        found.extend([NO_UID if k.uid is None else fingerprint(k.uid) for k in keys])
        ids, counts = [chunk.id for chunk in chunks], [chunk.count for chunk in chunks]
        times = [chunk.accepted_at for chunk in chunks]
        if tail.oldest_at is None:
            tail.oldest_at = times[0]
        tail.add_reports(found.tobytes(), sids, ids, counts, max(times))

    def open_tail(self) -> Tail:
        """The tail that takes in what comes next."""
        if self.tails[-1].full:
            self.close_tail()
        return self.tails[-1]

    def close_tail(self) -> None:
        """Begin a new tail; the one before does not change any more and can be sorted."""
        if self.tails[-1].reports:
            self.tails.append(Tail(self.tails[-1].next_chunk))
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

        Only the writer's connection is answered from memory, where there may be chunks that
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
