"""The end of the log that is not yet sorted into a run, in memory: bounded by a run's size."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from statuspush.core.kinds.kind import SEARCH_KEYS

UNIQUE: Final = 0
"""Position of the unique id among a kind's search keys."""


class AccountChunks:
    """The chunks of one account in a tail, in the order of seq."""

    __slots__ = ("chunks", "end_seq", "seqs")

    def __init__(self) -> None:
        self.seqs = array("Q")
        self.chunks = array("Q")
        self.end_seq = 0

    def covering(self, first: int, end: int) -> list[int]:
        """Ids of the chunks that hold seqs of [first, end)."""
        start = max(0, bisect_right(self.seqs, first) - 1)
        return self.chunks[start : bisect_left(self.seqs, end)].tolist()


class Tail:
    """A stretch of the log, with what a run made from it will need.

    The writer adds to it while look-ups read it in another thread. If they find something of a
    group that is not committed yet, their connection does not show it to them.
    """

    def __init__(self, first_chunk: int, run_reports: int = 65_536) -> None:
        self._run_reports = run_reports
        self.first_chunk = first_chunk
        self.next_chunk = first_chunk
        self.reports = 0
        self.oldest_at: int | None = None
        self.newest_at = 0
        self.by_account: dict[int, AccountChunks] = {}
        # For each report in the order of the log: its fingerprints by search key, and its chunk,
        # counted from the first.
        self.keys = tuple(array("Q") for _ in range(SEARCH_KEYS))
        self.chunks = array("I")
        self.accounts = array("Q")
        """Of each chunk, counted from the first."""
        self._marks: set[int] = set()

    @property
    def full(self) -> bool:
        """Whether it has the size of a run."""
        return self.reports >= self._run_reports

    def skip_to(self, chunk: int) -> None:
        """Let the next chunk have this id; before it may be a gap, where chunks were removed."""
        if not self.accounts:
            self.first_chunk = chunk
        self.accounts.extend([0] * (chunk - self.first_chunk - len(self.accounts)))
        self.next_chunk = chunk

    def begin_chunk(self, account: int, first_seq: int, count: int) -> tuple[int, AccountChunks]:
        """Add a chunk at the end of the log; return its id, and where it may grow."""
        chunk = self.next_chunk
        self.next_chunk += 1
        self.accounts.append(account)
        held = self.by_account.get(account) or AccountChunks()
        # In this order because of readers in other threads, which go by accounts, then by seqs.
        held.end_seq = first_seq + count
        held.chunks.append(chunk)
        held.seqs.append(first_seq)
        self.by_account[account] = held
        return chunk, held

    def add_reports(
        self,
        keys: bytes,
        marks: Collection[int],
        chunks: Sequence[int],
        counts: Sequence[int],
        accepted_at: int,
    ) -> None:
        """Add the reports of chunks that were begun or grew.

        :param keys: as :func:`statuspush.core.batch.fingerprints` gives them.
        :param marks: of the reports' sids with their accounts.
        :param counts: how many of the reports, in their order, are in each of ``chunks``.
        """
        self._marks.update(marks)
        # First, because readers go by fingerprints.
        self.chunks.extend(_of_each(self.first_chunk, chunks, counts))
        size = len(keys) // SEARCH_KEYS
        for place, fingerprints in enumerate(self.keys):
            fingerprints.frombytes(keys[place * size : (place + 1) * size])
        self.reports += len(marks)
        if self.oldest_at is None:
            self.oldest_at = accepted_at
        self.newest_at = max(self.newest_at, accepted_at)

    def has_none_of(self, marks: Collection[int]) -> bool:
        """Whether all of these marks are new to the tail."""
        return self._marks.isdisjoint(marks)

    def __contains__(self, mark: int) -> bool:
        return mark in self._marks

    def chunks_with(
        self, key: int, wanted: Sequence[int], accounts: Collection[int] | None = None
    ) -> set[int]:
        """Chunks that may hold a key with one of these fingerprints: a scan. From any thread.

        :param key: position among the kind's search keys.
        :param accounts: only chunks of these accounts.
        """
        # A copy: an array cannot grow while its memory is borrowed.
        fingerprints = np.frombuffer(self.keys[key].tobytes(), np.uint64)
        chunks = np.frombuffer(self.chunks.tobytes(), np.uint32)
        if len(wanted) == 1:
            found = np.flatnonzero(fingerprints == np.uint64(wanted[0]))
        else:
            found = np.flatnonzero(np.isin(fingerprints, np.array(wanted, np.uint64)))
        held = np.unique(chunks[found]).tolist()
        if accounts is not None:
            held = [chunk for chunk in held if self.accounts[chunk] in accounts]
        return {self.first_chunk + chunk for chunk in held}


def _of_each(first_chunk: int, chunks: Sequence[int], counts: Sequence[int]) -> "array[int]":
    """The chunk of each report, counted from the first of its tail."""
    if len(chunks) == 1:
        return array("I", (chunks[0] - first_chunk,)) * counts[0]
    relative = np.array(chunks, np.uint64) - np.uint64(first_chunk)
    return array("I", np.repeat(relative.astype(np.uint32), counts).tobytes())
