"""Appending to the log: what an account already has is left out, the rest is numbered.

Their marks (see marks.py) show nearly all reports to be new, a whole batch in a few calls that run
in C; only the rest is compared letter by letter.
"""

import sqlite3
import sys
from array import array
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain, groupby, repeat

import numpy as np

from statuspush.core.batch import Batch, join_batches
from statuspush.core.fragment import uniques_in
from statuspush.core.kinds.kind import SEARCH_KEYS
from statuspush.core.moment import Milliseconds
from statuspush.storage.marks import Fingerprints, mark_of, marks_of
from statuspush.store.base import Appended, OtherKind, UnknownAccounts, Unsuited
from statuspush.store.sqlite.chunks import CHUNK_REPORTS, OpenChunk
from statuspush.store.sqlite.hot import AccountState, Totals
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.runs import find_in_runs
from statuspush.store.sqlite.tail import UNIQUE, Tail

_Name = tuple[int, str]
"""(account, unique id): identifies a report."""


class Appends:
    """Appends batches to the log."""

    def __init__(self, connection: sqlite3.Connection, log: ReportLog, totals: Totals) -> None:
        self._connection = connection
        self._log = log
        self._totals = totals

    def append(
        self, accounts: Mapping[str, AccountState], batches: Sequence[Batch], now: Milliseconds
    ) -> tuple[Sequence[AccountState], list[Appended | Unsuited]]:
        """Append what is new in submissions, each whole or not at all.

        Returns the accounts that gained reports, and the result of each submission.

        :param accounts: all accounts by name.
        """
        results: list[Appended | Unsuited] = []
        good: list[Batch] = []
        states: list[AccountState] = []
        for batch in batches:
            try:
                found_states = [accounts[account] for account in batch.accounts]
            except KeyError:
                results.append(UnknownAccounts(frozenset(batch.accounts) - accounts.keys()))
                continue
            other = [state for state in found_states if state.kind.name != batch.kind]
            if other:
                results.append(OtherKind({state.account: state.kind.name for state in other}))
            else:
                states += found_states
                good.append(batch)
                results.append(Appended(batch.reports, 0))
        if not good:
            return (), results
        joined = good[0] if len(good) == 1 else join_batches(good)
        found = _marks(states, joined)
        in_runs = self._log.filter.look(found)
        marks: list[int] = found.tolist()
        known = self._known(states, joined, marks, in_runs)
        if known:
            results = _without_duplicates(results, known)
            states, joined = _without(states, joined, known)
            marks = _marks(states, joined).tolist()
        if marks:
            self._store(states, joined, marks, now)
        return states, results

    # what is known

    def _known(
        self,
        states: Sequence[AccountState],
        batch: Batch,
        marks: Sequence[int],
        in_runs: Mapping[int, Sequence[int]],
    ) -> set[int]:
        """Positions of reports whose (account, sid) is stored, or occurs earlier in the batch."""
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
            ids = {names[place][0] for place in doubtful}
            accounts = {state.id: state for state in states if state.id in ids}
            stored = self._stored(
                {place: sids[place] for place in doubtful}, accounts, in_tails, in_runs
            )
            known.update(place for place in doubtful if names[place] in stored)
        return known

    def _stored(
        self,
        doubtful: Mapping[int, int],
        accounts: Mapping[int, AccountState],
        in_tails: Sequence[Tail],
        in_runs: Mapping[int, Sequence[int]],
    ) -> set[_Name]:
        """All reports in these accounts' chunks that may hold the sids at these positions."""
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
            for sid in uniques_in(chunk.body, accounts[chunk.account].kind)
        }

    def _names(
        self, states: Sequence[AccountState], batch: Batch, places: Sequence[int]
    ) -> dict[int, _Name]:
        """The (account, sid) of the reports at these positions of the batch."""
        lines = b"\n".join(batch.bodies).split(b"\n")
        owners = list(
            chain.from_iterable(
                repeat(state, count) for state, count in zip(states, batch.counts, strict=True)
            )
        )
        names: dict[int, _Name] = {}
        for kind, alike in groupby(places, lambda place: owners[place].kind):
            some = list(alike)
            sids = uniques_in(b"\n".join([lines[place] for place in some]), kind)
            names |= {p: (owners[p].id, sid) for p, sid in zip(some, sids, strict=True)}
        return names

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
        waiting = 0
        for state, count, body in zip(states, batch.counts, batch.bodies, strict=True):
            if not state.off:
                waiting += count
            chunk = growing.get(state.id)
            if chunk is not None and chunk.count + count <= CHUNK_REPORTS:
                chunk.bodies.append(body)
                chunk.count += count
                chunk.held.end_seq += count
                state.progress.next_seq += count
                chunks.append(chunk.id)
                counts.append(count)
                continue
            parts = ((count, body),) if count <= CHUNK_REPORTS else _parts(body)
            for part, fragments in parts:
                chunks.append(self._begin(tail, state, part, fragments, now))
                counts.append(part)
        self._totals.reports += waiting
        tail.add_reports(batch.keys, marks, chunks, counts, now)

    def _begin(
        self, tail: Tail, state: AccountState, count: int, body: bytes, now: Milliseconds
    ) -> int:
        """Begin a chunk of the account with these reports; returns its id."""
        first_seq = state.progress.next_seq
        chunk, held = tail.begin_chunk(state.id, first_seq, count)
        self._log.memory.begin(OpenChunk(chunk, state.id, first_seq, count, now, [body], held))
        state.progress.next_seq = first_seq + count
        return chunk


def _without_duplicates(
    results: Sequence[Appended | Unsuited], known: Collection[int]
) -> list[Appended | Unsuited]:
    """The results if the reports at these positions of all good submissions are duplicates."""
    counted: list[Appended | Unsuited] = []
    at = 0
    for result in results:
        if isinstance(result, Unsuited):
            counted.append(result)
            continue
        end = at + result.accepted
        duplicates = sum(at <= place < end for place in known)
        counted.append(Appended(result.accepted - duplicates, duplicates))
        at = end
    return counted


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


def _parts(body: bytes) -> Sequence[tuple[int, bytes]]:
    """(count, fragments) of each chunk, for reports that are too many for one."""
    lines = body.split(b"\n")
    starts = range(0, len(lines), CHUNK_REPORTS)
    parts = [lines[start : start + CHUNK_REPORTS] for start in starts]
    return [(len(part), b"\n".join(part)) for part in parts]


def _seen_before(names: Sequence[tuple[int, _Name]]) -> set[int]:
    """Positions whose name also occurs at an earlier one."""
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
    """The batch without the reports at these positions, and the accounts left in it."""
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
