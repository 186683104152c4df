"""The log: reports as chunks in the order of acceptance, each sid once an account.

A chunk is a row of up to 500 reports of one account, and rows are only appended: no index is
updated on the way of a report. What is needed to find chunks again is kept in memory for the
end of the log (tail.py) and sorted in bulk behind it (runs.py).
"""

import sqlite3
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from statuspush.clock import Milliseconds
from statuspush.core.report import Submission
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.runs import SID, Run, chunks_of_range, find_in_runs
from statuspush.store.sqlite.sid_filter import SidFilter
from statuspush.store.sqlite.tail import Tail, fingerprint

CHUNK_REPORTS: Final = 500
_RECENT_BYTES: Final = 16 << 20
"""Chunk bodies kept in memory so that a push cut at once needs no read."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A row of the log."""

    id: int
    account: int
    first_seq: int
    count: int
    accepted_at: Milliseconds
    body: bytes

    def part(self, first: int, end: int) -> bytes:
        """The fragments of seqs in [first, end) that it holds, newline-joined."""
        first, end = max(first, self.first_seq), min(end, self.first_seq + self.count)
        if end - first == self.count:
            return self.body
        return b"\n".join(self.body.split(b"\n")[first - self.first_seq : end - self.first_seq])


class Keys(msgspec.Struct, frozen=True):
    """What a stored report is looked up by."""

    sid: str
    mobile: str
    uid: str | None = None


_keys_decoder: Final = msgspec.json.Decoder(list[Keys])


def keys_of(body: bytes) -> list[Keys]:
    """The keys of a chunk's reports, in order."""
    return _keys_decoder.decode(b"[" + body.replace(b"\n", b",") + b"]")


class ReportLog:
    """Appends to the log and reads from it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.tails: list[Tail] = []
        self.filter = SidFilter()
        self._run_reports: dict[int, int] = {}
        self._recent: dict[int, Chunk] = {}
        self._recent_order: deque[int] = deque()
        self._recent_bytes = 0

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
        self._recent.clear()
        self._recent_order.clear()
        self._recent_bytes = 0
        first = self._connection.execute(
            "SELECT coalesce(max(last_chunk), 0) + 1 FROM runs"
        ).fetchone()[0]
        self.tails = [Tail(first)]
        for row in self._connection.execute(
            "SELECT id, account, first_seq, count, accepted_at, body FROM chunks WHERE id >= ?"
            " ORDER BY id",
            (first,),
        ):
            chunk = Chunk(*row)
            tail = self._open_tail()
            tail.next_chunk = chunk.id
            tail.add_chunk(chunk.account, chunk.first_seq, chunk.count, chunk.accepted_at)
            keys = keys_of(chunk.body)
            tail.add_keys(
                chunk.id,
                [fingerprint(k.sid) for k in keys],
                [fingerprint(k.mobile) for k in keys],
                [fingerprint(k.uid) for k in keys if k.uid is not None],
            )
            state = states.get(chunk.account)
            if state is not None:
                state.next_seq = max(state.next_seq, chunk.first_seq + chunk.count)

    def _open_tail(self) -> Tail:
        tail = self.tails[-1]
        if tail.full:
            tail = Tail(tail.next_chunk)
            self.tails.append(tail)
        return tail

    def close_tail(self) -> None:
        """Begin a new tail, so that the last one can be sorted before it is full."""
        if self.tails[-1].reports:
            self.tails.append(Tail(self.tails[-1].next_chunk))

    # appending

    def append(
        self,
        states: Mapping[str, AccountState],
        reports: Sequence[Submission],
        fragments: Sequence[bytes],
        now: Milliseconds,
    ) -> dict[AccountState, int]:
        """Append what is new; return how many reports each account gained."""
        sids = [fingerprint(report.sid) for report in reports]
        known = self._known(states, reports, sids)
        by_account: dict[str, list[int]] = {}
        for index, report in enumerate(reports):
            indexes = by_account.get(report.account)
            if indexes is None:
                by_account[report.account] = [index]
            else:
                indexes.append(index)
        gained: dict[AccountState, int] = {}
        rows = []
        for account, found in by_account.items():
            state = states[account]
            indexes = [index for index in found if index not in known] if known else found
            if indexes:
                gained[state] = len(indexes)
            for start in range(0, len(indexes), CHUNK_REPORTS):
                part = indexes[start : start + CHUNK_REPORTS]
                tail = self._open_tail()
                chunk = Chunk(
                    id=tail.add_chunk(state.id, state.next_seq, len(part), now),
                    account=state.id,
                    first_seq=state.next_seq,
                    count=len(part),
                    accepted_at=now,
                    body=b"\n".join([fragments[index] for index in part]),
                )
                tail.add_keys(
                    chunk.id,
                    [sids[index] for index in part],
                    [fingerprint(reports[index].mobile) for index in part],
                    [fingerprint(uid) for index in part if (uid := reports[index].uid) is not None],
                )
                state.next_seq += len(part)
                self._remember(chunk)
                rows.append((chunk.id, state.id, chunk.first_seq, len(part), now, chunk.body))
        self._connection.executemany(
            "INSERT INTO chunks (id, account, first_seq, count, accepted_at, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )
        return gained

    def _known(
        self,
        states: Mapping[str, AccountState],
        reports: Sequence[Submission],
        sids: Sequence[int],
    ) -> set[int]:
        """Indexes of reports whose (account, sid) is stored already or came earlier in the call.

        Nearly all are cleared by fingerprint; what is left is compared letter by letter.
        """
        in_runs = self.filter.look(sids)
        doubtful: set[int] = set(in_runs)
        for tail in self.tails:
            doubtful.update([index for index, sid in enumerate(sids) if sid in tail])
        known: set[int] = set()
        if len(set(sids)) < len(sids):
            seen: set[tuple[str, str]] = set()
            for index, report in enumerate(reports):
                key = (report.account, report.sid)
                if key in seen:
                    known.add(index)
                seen.add(key)
        if not doubtful:
            return known
        candidates: set[int] = set()
        by_run: dict[int, list[int]] = {}
        for index in doubtful:
            for tail in self.tails:
                candidates.update(tail.chunks_with_sid(sids[index]))
            for run in in_runs.get(index, ()):
                by_run.setdefault(run, []).append(sids[index])
        for run, wanted in by_run.items():
            candidates.update(
                chunk for _, chunk in find_in_runs(self._connection, SID, wanted, run)
            )
        stored = {
            (chunk.account, keys.sid)
            for chunk in self.read(self._connection, candidates).values()
            for keys in keys_of(chunk.body)
        }
        known.update(
            index
            for index in doubtful
            if (states[reports[index].account].id, reports[index].sid) in stored
        )
        return known

    def _remember(self, chunk: Chunk) -> None:
        self._recent[chunk.id] = chunk
        self._recent_order.append(chunk.id)
        self._recent_bytes += len(chunk.body)
        while self._recent_bytes > _RECENT_BYTES and len(self._recent_order) > 1:
            self._recent_bytes -= len(self._recent.pop(self._recent_order.popleft()).body)

    # reading

    def chunk_ids(
        self, connection: sqlite3.Connection, account: int, first: int, end: int
    ) -> list[int]:
        """Ids of the chunks that hold seqs of [first, end), in order."""
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
        recent = self._recent if connection is self._connection else {}
        for chunk_id in ids:
            chunk = recent.get(chunk_id)
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
