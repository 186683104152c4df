"""Appending to the log: what an account has already is left out, the rest is numbered.

Nearly all reports are cleared by their marks (see marks.py), a whole batch in a few calls that
run in C; only what is left is compared letter by letter.
"""

import sqlite3
import sys
from array import array
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain, repeat

import numpy as np

from statuspush.clock import Milliseconds
from statuspush.core.batch import Batch
from statuspush.core.fragment import uniques_in
from statuspush.core.kinds.kind import SEARCH_KEYS
from statuspush.storage.marks import Fingerprints, mark_of, marks_of
from statuspush.store.sqlite.chunks import CHUNK_REPORTS, OpenChunk
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.runs import find_in_runs
from statuspush.store.sqlite.tail import UNIQUE, Tail

_Name = tuple[int, str]
"""(account, unique id): what a report is, once."""


class Appends:
    """Appends batches to the log."""

    def __init__(self, connection: sqlite3.Connection, log: ReportLog) -> None:
        self._connection = connection
        self._log = log

    def append(
        self, states: Sequence[AccountState], batch: Batch, now: Milliseconds
    ) -> tuple[Sequence[AccountState], int]:
        """Append what is new; return the accounts that gained reports, and how many in all.

        :param states: the accounts of the batch, in its order.
        """
        found = _marks(states, batch)
        in_runs = self._log.filter.look(found)
        marks: list[int] = found.tolist()
        known = self._known(states, batch, marks, in_runs)
        if known:
            states, batch = _without(states, batch, known)
            marks = _marks(states, batch).tolist()
        if marks:
            self._store(states, batch, marks, now)
        return states, len(marks)

    # what is known

    def _known(
        self,
        states: Sequence[AccountState],
        batch: Batch,
        marks: Sequence[int],
        in_runs: Mapping[int, Sequence[int]],
    ) -> set[int]:
        """Places of reports whose (account, sid) is stored, or stands earlier in the batch."""
        different = set(marks)
        in_tails = [tail for tail in self._log.tails if not tail.has_none_of(different)]
        repeated = len(different) < len(marks)
        if not (in_runs or in_tails or repeated):
            return set()
        doubtful = set(in_runs).union(
            *([place for place, mark in enumerate(marks) if mark in tail] for tail in in_tails)
        )
        times = Counter(marks) if repeated else {}
        alike = [place for place, mark in enumerate(marks) if times[mark] > 1] if repeated else []
        names = self._names(states, batch, sorted(doubtful.union(alike)))
        known = _seen_before([(place, names[place]) for place in alike])
        if doubtful:
            sids = array("Q", batch.keys[: len(batch.keys) // SEARCH_KEYS])
            accounts = {names[place][0] for place in doubtful}
            stored = self._stored(
                {place: sids[place] for place in doubtful}, accounts, in_tails, in_runs
            )
            known.update(place for place in doubtful if names[place] in stored)
        return known

    def _stored(
        self,
        doubtful: Mapping[int, int],
        accounts: Collection[int],
        in_tails: Sequence[Tail],
        in_runs: Mapping[int, Sequence[int]],
    ) -> set[_Name]:
        """All reports in the chunks of these accounts that may hold the sids at these places."""
        chunks: set[int] = set()
        for tail in in_tails:
            chunks |= tail.chunks_with(UNIQUE, list(doubtful.values()), accounts)
        by_run: dict[int, list[int]] = {}
        for place, runs in in_runs.items():
            for run in runs:
                by_run.setdefault(run, []).append(doubtful[place])
        sorted_chunks = {
            chunk
            for run, wanted in by_run.items()
            for _, chunk in find_in_runs(self._connection, UNIQUE, wanted, run)
        }
        if sorted_chunks:
            chunks |= self._log.of_accounts(sorted_chunks, accounts)
        return {
            (chunk.account, sid)
            for chunk in self._log.read(self._connection, chunks).values()
            for sid in uniques_in(chunk.body, self._log.kind)
        }

    def _names(
        self, states: Sequence[AccountState], batch: Batch, places: Sequence[int]
    ) -> dict[int, _Name]:
        """What the reports at some places of the batch are."""
        lines = b"\n".join(batch.bodies).split(b"\n")
        owners = list(
            chain.from_iterable(
                repeat(state.id, count) for state, count in zip(states, batch.counts, strict=True)
            )
        )
        sids = uniques_in(b"\n".join([lines[place] for place in places]), self._log.kind)
        return {place: (owners[place], sid) for place, sid in zip(places, sids, strict=True)}

    # what is new

    def _store(
        self,
        states: Sequence[AccountState],
        batch: Batch,
        marks: Collection[int],
        now: Milliseconds,
    ) -> None:
        tail = self._log.open_tail()
        growing = self._log.memory.growing
        chunks: list[int] = []
        counts: list[int] = []
        for state, count, body in zip(states, batch.counts, batch.bodies, strict=True):
            chunk = growing.get(state.id)
            if chunk is not None and chunk.count + count <= CHUNK_REPORTS:
                chunk.bodies.append(body)
                chunk.count += count
                chunk.held.end_seq += count
                state.next_seq += count
                chunks.append(chunk.id)
                counts.append(count)
                continue
            for part, fragments in _parts(count, body):
                chunks.append(self._begin(tail, state, part, fragments, now))
                counts.append(part)
        tail.add_reports(batch.keys, marks, chunks, counts, now)

    def _begin(
        self, tail: Tail, state: AccountState, count: int, body: bytes, now: Milliseconds
    ) -> int:
        """A chunk of the account that begins with these reports; returns its id."""
        first_seq = state.next_seq
        chunk, held = tail.begin_chunk(state.id, first_seq, count)
        self._log.memory.begin(OpenChunk(chunk, state.id, first_seq, count, now, [body], held))
        state.next_seq = first_seq + count
        return chunk


def _marks(states: Sequence[AccountState], batch: Batch) -> "array[int] | Fingerprints":
    """The mark of each report of the batch."""
    size = len(batch.keys) // SEARCH_KEYS
    if size == 8:  # one report: numpy would take three times as long
        return array("Q", [mark_of(int.from_bytes(batch.keys[:8], sys.byteorder), states[0].id)])
    if not size:
        return array("Q")
    accounts = np.array([state.id for state in states], np.uint64)
    if len(accounts) > 1:
        accounts = np.repeat(accounts, batch.counts)
    return marks_of(np.frombuffer(batch.keys, np.uint64, size // 8), accounts)


def _parts(count: int, body: bytes) -> Sequence[tuple[int, bytes]]:
    """(count, fragments) of the chunks that an account's reports are too many for one of."""
    if count <= CHUNK_REPORTS:
        return ((count, body),)
    lines = body.split(b"\n")
    starts = range(0, count, CHUNK_REPORTS)
    parts = [lines[start : start + CHUNK_REPORTS] for start in starts]
    return [(len(part), b"\n".join(part)) for part in parts]


def _seen_before(names: Sequence[tuple[int, _Name]]) -> set[int]:
    """Places whose name stands at an earlier place too."""
    seen: set[_Name] = set()
    before: set[int] = set()
    for place, name in names:
        if name in seen:
            before.add(place)
        seen.add(name)
    return before


def _without(
    states: Sequence[AccountState], batch: Batch, known: Collection[int]
) -> tuple[list[AccountState], Batch]:
    """The batch without the reports at these places, and the accounts that are left in it."""
    left: list[tuple[AccountState, str, list[bytes]]] = []
    at = 0
    for state, account, count, body in zip(
        states, batch.accounts, batch.counts, batch.bodies, strict=True
    ):
        lines = [line for place, line in enumerate(body.split(b"\n"), at) if place not in known]
        at += count
        if lines:
            left.append((state, account, lines))
    keys = np.frombuffer(batch.keys, np.uint64).reshape(SEARCH_KEYS, -1)
    kept = Batch(
        kind=batch.kind,
        accounts=[account for _, account, _ in left],
        counts=[len(lines) for _, _, lines in left],
        bodies=[b"\n".join(lines) for _, _, lines in left],
        keys=np.delete(keys, list(known), axis=1).tobytes(),
    )
    return [state for state, _, _ in left], kept
