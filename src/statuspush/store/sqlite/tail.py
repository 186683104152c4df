"""The end of the log that is not sorted into a run yet, in memory: bounded by a run's size."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import xxhash

RUN_REPORTS = 65_536
"""Reports after which a tail is full and waits to be sorted into a run."""


def fingerprint(text: str) -> int:
    """64 bits that stand for a sid, mobile or uid in filters and indexes; hits are checked."""
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


class AccountChunks:
    """The chunks of one account in a tail, in the order of seq."""

    __slots__ = ("chunks", "end_seq", "seqs")

    def __init__(self) -> None:
        self.seqs = array("Q")
        self.chunks = array("Q")
        self.end_seq = 0

    def covering(self, first: int, end: int) -> Iterator[int]:
        """Ids of the chunks that hold seqs of [first, end)."""
        start = max(0, bisect_right(self.seqs, first) - 1)
        return iter(self.chunks[start : bisect_left(self.seqs, end)])


class Tail:
    """A stretch of the log with what a run of it will need."""

    def __init__(self, first_chunk: int) -> None:
        self.first_chunk = first_chunk
        self.next_chunk = first_chunk
        self.reports = 0
        self.oldest_at: int | None = None
        self.newest_at = 0
        self.by_account: dict[int, AccountChunks] = {}
        # (fingerprint, chunk) of each report, in the order of the log, a pair of arrays a kind.
        self.keys = tuple((array("Q"), array("Q")) for _ in range(3))
        self._sids: dict[int, int] = {}
        self._further: dict[int, list[int]] = {}

    @property
    def full(self) -> bool:
        """It has the size of a run."""
        return self.reports >= RUN_REPORTS

    def add_chunk(self, account: int, first_seq: int, count: int, accepted_at: int) -> int:
        """Take in a chunk at the end of the log; return its id."""
        chunk = self.next_chunk
        self.next_chunk += 1
        chunks = self.by_account.get(account) or AccountChunks()
        # In this order for a reader in another thread, which goes by accounts, then by seqs.
        chunks.end_seq = first_seq + count
        chunks.chunks.append(chunk)
        chunks.seqs.append(first_seq)
        self.by_account[account] = chunks
        self.reports += count
        if self.oldest_at is None:
            self.oldest_at = accepted_at
        self.newest_at = max(self.newest_at, accepted_at)
        return chunk

    def add_keys(
        self, chunk: int, sids: Sequence[int], mobiles: Sequence[int], uids: Sequence[int]
    ) -> None:
        """Take in the fingerprints of a chunk's reports (uids: of those that have one)."""
        for sid in sids:
            known = self._sids.setdefault(sid, chunk)
            if known != chunk:
                self._further.setdefault(sid, []).append(chunk)
        for (fingerprints, chunks), found in zip(self.keys, (sids, mobiles, uids), strict=True):
            chunks.extend([chunk] * len(found))  # first: a reader goes by fingerprints
            fingerprints.extend(found)

    def __contains__(self, sid: int) -> bool:
        return sid in self._sids

    def chunks_with_sid(self, sid: int) -> list[int]:
        """Chunks that may hold a sid of that fingerprint."""
        first = self._sids.get(sid)
        return [] if first is None else [first, *self._further.get(sid, ())]

    def chunks_with(self, kind: int, key: int) -> set[int]:
        """Chunks that may hold a key of that fingerprint: a scan, for people's questions."""
        fingerprints, chunks = self.keys[kind]
        found: set[int] = set()
        at = -1
        try:
            while True:
                at = fingerprints.index(key, at + 1)
                found.add(chunks[at])
        except ValueError:
            return found
