"""A Bloom filter per run, bit-sliced: one look at a few rows answers for all runs together.

The filters of all runs have the same size and the same hash positions. They are laid out with one
row per position and one column (one bit) per run, so the conjunction of a mark's rows has a bit set
for every run that may hold the sid (see marks.py). A look costs the same few rows however many
runs there are (0.1 to 0.2 µs per report in bulk), and 4 bytes of memory per stored report.

Whatever takes long is done in a thread (:meth:`SidFilter.prepare`) while looks go on: the bits of
a column count only once it is assigned to a run.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt

from statuspush.storage.marks import Fingerprints

ROWS: Final = 1 << 21
"""Positions: 32 per report of a full run, for a false hit in 175,000 looks per run."""
PROBES: Final = 8
FILTER_BYTES: Final = ROWS // 8
_BULK: Final = 24
"""From this many sids on, numpy is faster than a loop that stops at the first empty row."""
_PAUSE: Final = 3
"""After this many probes most sids are known to be in no run; only the others are probed on."""

_Rows = npt.NDArray[np.intp]


def _rows_of(fingerprints: Fingerprints, rows: int) -> Iterator[_Rows]:
    """The rows of each fingerprint, probe by probe: double hashing with an odd step."""
    start = (fingerprints & np.uint64(0xFFFFFFFF)).astype(np.intp)
    step = (fingerprints >> np.uint64(32) | np.uint64(1)).astype(np.intp)
    for probe in range(PROBES):
        yield start + step * probe & rows - 1


def make_filter(fingerprints: Fingerprints, rows: int = ROWS) -> bytes:
    """The filter of one run as it is stored: one bit per position.

    :param rows: positions, a power of two; the same for all runs of a file.
    """
    bits = np.zeros(rows, np.bool_)
    for at in _rows_of(fingerprints, rows):
        bits[at] = True
    return np.packbits(bits, bitorder="little").tobytes()


class _Table:
    """The columns of all runs, and views of the same memory."""

    def __init__(self, rows: npt.NDArray[np.uint8]) -> None:
        self.rows = rows
        self.width = width = rows.shape[1]
        # In the widest words possible, which are and-ed in one step.
        word = min(width, 8) or 1
        self.words: npt.NDArray[np.unsignedinteger] = rows.view(f"u{word}").reshape(
            (len(rows),) if width == word else (len(rows), -1)
        )
        self.flat = rows.data.cast("B") if width else memoryview(b"")

    def grown(self) -> "_Table":
        """A copy with room for 8 runs, then 16, 32, 64, then 64 more at a time."""
        width = max(1, self.width * 2) if self.width < 8 else self.width + 8
        rows = np.zeros((len(self.rows), width), np.uint8)
        rows[:, : self.width] = self.rows
        return _Table(rows)


class SidFilter:
    """The filters of all runs.

    :param rows: positions of each filter, as :func:`make_filter` was given.
    """

    def __init__(self, rows: int = ROWS) -> None:
        self._rows = rows
        self._table = _Table(np.zeros((rows, 0), np.uint8))
        self._columns: dict[int, int] = {}
        self._runs: dict[int, int] = {}
        self._free: list[int] = []
        self._stale: list[int] = []
        """Columns whose bits must be cleared before they are reused."""

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
            self._grow()
        first = self._free[-1]
        column_byte = np.zeros(self._rows, np.uint8)
        for bit, (run, stored) in enumerate(group):
            bits = np.unpackbits(np.frombuffer(stored, np.uint8), bitorder="little")
            column_byte |= bits << np.uint8(bit)
            self._free.remove(first + bit)
            self.assign(run, first + bit)
        self._table.rows[:, first // 8] = column_byte

    def prepare(self, marks: Fingerprints) -> int:
        """Write the filter of a new run into a column; in any thread, one at a time.

        Pass the returned column to :meth:`assign` or :meth:`give_back`.
        """
        while self._stale:
            column = self._stale.pop()
            self._table.rows[:, column // 8] &= np.uint8(0xFF ^ 1 << column % 8)
            self._free.append(column)
        if not self._free:
            self._grow()
        column = self._free.pop()
        of_run = self._table.rows[:, column // 8]
        for at in _rows_of(marks, self._rows):
            of_run[at] |= np.uint8(1 << column % 8)
        return column

    def assign(self, run: int, column: int) -> None:
        """Let the column belong to this run from now on."""
        self._columns[run] = column
        self._runs[column] = run

    def give_back(self, column: int) -> None:
        """Free a column."""
        self._stale.append(column)

    def remove(self, run: int) -> None:
        """Forget a run; its column is reused."""
        column = self._columns.pop(run, None)
        if column is not None:
            del self._runs[column]
            self._stale.append(column)

    def look(self, marks: Sequence[int] | Fingerprints) -> dict[int, list[int]]:
        """Index of each mark that some run may hold -> those runs."""
        if not self._columns:
            return {}
        table = self._table  # read once: it may be replaced by a larger one
        if len(marks) < _BULK:
            return self._look_individually(table, marks)
        keys = np.asarray(marks, np.uint64)
        left, words = self._after(table, keys, 0, _PAUSE)
        further, words_further = self._after(table, keys[left], _PAUSE, PROBES)
        found = {
            int(left[at]): self._runs_of(int.from_bytes(held.tobytes(), "little"))
            for at, held in zip(further, words[further] & words_further, strict=True)
        }
        return {at: runs for at, runs in found.items() if runs}

    def _after(
        self, table: _Table, keys: Fingerprints, first: int, end: int
    ) -> tuple[_Rows, npt.NDArray[np.unsignedinteger]]:
        """Which fingerprints have all of some probes in a run, and the bits of those runs."""
        probes = islice(_rows_of(keys, self._rows), first, end)
        words = table.words.take(next(probes), axis=0)
        for rows in probes:
            words &= table.words.take(rows, axis=0)
        left = np.flatnonzero(words if words.ndim == 1 else words.any(axis=1))
        return left, words[left]

    def _look_individually(
        self, table: _Table, marks: Sequence[int] | Fingerprints
    ) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        flat, width, mask = table.flat, table.width, self._rows - 1
        for index, key in enumerate(map(int, marks)):
            start, step = key & 0xFFFFFFFF, key >> 32 | 1
            bits = -1
            for probe in range(PROBES):
                at = ((start + step * probe) & mask) * width
                bits &= int.from_bytes(flat[at : at + width], "little")
                if not bits:
                    break
            else:
                runs = self._runs_of(bits)
                if runs:
                    found[index] = runs
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

    def _grow(self) -> None:
        before = self._table.width
        self._table = self._table.grown()
        self._free = [*range(self._table.width * 8 - 1, before * 8 - 1, -1), *self._free]
