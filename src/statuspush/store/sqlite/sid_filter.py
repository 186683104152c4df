"""A Bloom filter per run, bit-sliced: one look at a few rows answers for all runs at once.

The filters of all runs have the same size and the same hash positions. They are laid out with
a row a position and a column (one bit) a run, so the conjunction of a sid's rows has a bit set
for every run that may hold the sid. A look costs the same few rows however many runs there are
(about 0.5 µs a report in bulk), 4 bytes of memory per stored report.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

ROWS: Final = 1 << 21
"""Positions: 32 per report of a full run, for a false hit in 175,000 looks per run."""
PROBES: Final = 8
FILTER_BYTES: Final = ROWS // 8
_GROW_RUNS: Final = 64
_BULK: Final = 24
"""From so many sids on, numpy is faster than a loop that stops at the first empty row."""

Fingerprints = npt.NDArray[np.uint64]


def _positions(fingerprints: Fingerprints) -> npt.NDArray[np.intp]:
    """(n, PROBES) rows by double hashing; the step is odd, so the probes differ."""
    start = fingerprints & np.uint64(0xFFFFFFFF)
    step = (fingerprints >> np.uint64(32)) | np.uint64(1)
    probes = np.arange(PROBES, dtype=np.uint64)
    return ((start[:, None] + step[:, None] * probes) & np.uint64(ROWS - 1)).astype(np.intp)


def make_filter(fingerprints: Fingerprints) -> bytes:
    """The filter of one run as it is stored: a bit a position."""
    bits = np.zeros(ROWS, np.bool_)
    bits[_positions(fingerprints).ravel()] = True
    return np.packbits(bits, bitorder="little").tobytes()


class SidFilter:
    """The filters of all runs."""

    def __init__(self) -> None:
        self._rows = np.zeros((ROWS, 0), np.uint8)
        self._flat = memoryview(b"")
        self._columns: dict[int, int] = {}
        self._runs: dict[int, int] = {}
        self._free: list[int] = []

    def load(self, filters: Iterable[tuple[int, bytes]]) -> None:
        """Take in the stored filters (run, filter), eight columns at a time."""
        group: list[tuple[int, bytes]] = []
        for entry in filters:
            group.append(entry)
            if len(group) == 8:
                self._load_column_byte(group)
                group = []
        if group:
            self._load_column_byte(group)

    def _load_column_byte(self, group: Sequence[tuple[int, bytes]]) -> None:
        # Eight runs share a byte, so that each byte of the table is touched once.
        if len(self._free) < 8:
            self._grow(_GROW_RUNS)
        first = self._free[-1]
        column_byte = np.zeros(ROWS, np.uint8)
        for bit, (run, stored) in enumerate(group):
            bits = np.unpackbits(np.frombuffer(stored, np.uint8), bitorder="little")
            column_byte |= bits << np.uint8(bit)
            self._assign(run, first + bit)
        self._rows[:, first // 8] = column_byte

    def add(self, run: int, fingerprints: Fingerprints) -> None:
        """Take in a new run."""
        if not self._free:
            self._grow(_GROW_RUNS)
        column = self._free[-1]
        self._rows[_positions(fingerprints).ravel(), column // 8] |= np.uint8(1 << column % 8)
        self._assign(run, column)

    def remove(self, run: int) -> None:
        """Forget a run; its column is cleared and used again."""
        column = self._columns.pop(run, None)
        if column is None:
            return
        del self._runs[column]
        self._rows[:, column // 8] &= np.uint8(0xFF ^ 1 << column % 8)
        self._free.append(column)

    def look(self, fingerprints: Sequence[int]) -> dict[int, list[int]]:
        """Index of each fingerprint that some run may hold -> those runs."""
        if not self._columns:
            return {}
        if len(fingerprints) < _BULK:
            return self._look_singly(fingerprints)
        found: dict[int, list[int]] = {}
        positions = _positions(np.array(fingerprints, np.uint64))
        rows = self._rows[positions[:, 0]]
        for probe in range(1, PROBES):
            rows &= self._rows[positions[:, probe]]
        for index in np.flatnonzero(rows.any(axis=1)).tolist():
            found[index] = self._runs_of(int.from_bytes(rows[index].tobytes(), "little"))
        return found

    def _look_singly(self, fingerprints: Sequence[int]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        width = self._rows.shape[1]
        for index, key in enumerate(fingerprints):
            start, step = key & 0xFFFFFFFF, key >> 32 | 1
            bits = -1
            for probe in range(PROBES):
                at = ((start + step * probe) & (ROWS - 1)) * width
                bits &= int.from_bytes(self._flat[at : at + width], "little")
                if not bits:
                    break
            else:
                found[index] = self._runs_of(bits)
        return found

    def _runs_of(self, bits: int) -> list[int]:
        runs = []
        while bits:
            low = bits & -bits
            run = self._runs.get(low.bit_length() - 1)
            if run is not None:
                runs.append(run)
            bits ^= low
        return runs

    def _assign(self, run: int, column: int) -> None:
        self._free.remove(column)
        self._columns[run] = column
        self._runs[column] = run

    def _grow(self, runs: int) -> None:
        before = self._rows.shape[1]
        more = -(-runs // 8)
        rows = np.zeros((ROWS, before + more), np.uint8)
        rows[:, :before] = self._rows
        self._rows = rows
        self._flat = rows.data.cast("B")
        self._free = [*range((before + more) * 8 - 1, before * 8 - 1, -1), *self._free]
