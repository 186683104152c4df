"""Which pushes an account has: the recent ones in memory, the others in a directory on disk.

As with the log (tail.py, runs.py), nothing is sorted by account on the hot path of a push. When
enough pushes have gathered, they are written in bulk: one row per account.
"""

import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from statuspush.core.ranges import Range
from statuspush.store.sqlite.sizes import Sizes

_LONGEST_PUSH: Final = 500
_ENTRY: Final = np.dtype([("push", "<u8"), ("seq", "<u8")])

_Entries = npt.NDArray[np.void]
_Ids = npt.NDArray[np.uint64]
Row = tuple[int, int, int, int, int, bytes]
"""A row of the directory."""


class RecentPushes:
    """Pushes in the order in which they were written, with account and first seq."""

    def __init__(self) -> None:
        self._pushes = array("Q")
        self._accounts = array("Q")
        self._seqs = array("Q")

    def __len__(self) -> int:
        return len(self._pushes)

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows that begin with push, account and first seq."""
        for row in rows:
            # In this order because of readers in other threads, which go by pushes.
            self._seqs.append(row[2])
            self._accounts.append(row[1])
            self._pushes.append(row[0])

    def of(self, account: int) -> _Entries:
        """The entries of an account by id; from any thread."""
        # Copies: an array cannot grow while its memory is borrowed.
        pushes = np.frombuffer(self._pushes.tobytes(), np.uint64)
        accounts = np.frombuffer(self._accounts.tobytes(), np.uint64)[: len(pushes)]
        at = np.flatnonzero(accounts == account)
        at = at[np.argsort(pushes[at], kind="stable")]  # nearly in order already
        entries = np.empty(len(at), _ENTRY)
        entries["push"] = pushes[at]
        entries["seq"] = np.frombuffer(self._seqs.tobytes(), np.uint64)[at]
        return entries

    def after(self, count: int) -> "RecentPushes":
        """All but the first ``count``."""
        rest = RecentPushes()
        rest._seqs = self._seqs[count:]
        rest._accounts = self._accounts[count:]
        rest._pushes = self._pushes[count:]
        return rest

    def sorted_rows(self, count: int) -> list[Row]:
        """Rows of the directory for the first ``count``; CPU only."""
        pushes = np.array(self._pushes[:count], np.uint64)
        accounts = np.array(self._accounts[:count], np.uint64)
        order = np.lexsort((pushes, accounts))
        entries = np.empty(count, _ENTRY)
        entries["push"] = pushes[order]
        entries["seq"] = np.array(self._seqs[:count], np.uint64)[order]
        names, starts = np.unique(accounts[order], return_index=True)
        return [
            (
                int(account),
                int(part["push"][0]),
                int(part["push"][-1]),
                int(part["seq"].min()),
                int(part["seq"].max()),
                part.tobytes(),
            )
            for account, part in zip(names, np.split(entries, starts[1:]), strict=True)
        ]


class PushIndex:
    """Finds pushes by account, and by account and report."""

    def __init__(self, sizes: Sizes) -> None:
        self._piece = sizes.push_page
        self.recent = RecentPushes()

    def load(self, connection: sqlite3.Connection) -> None:
        """Read the pushes that are not in the directory."""
        self.recent = RecentPushes()
        self.recent.add(
            connection.execute(
                "SELECT id, account, first_seq FROM pushes WHERE id >"
                " coalesce((SELECT max(last_push) FROM push_directory_end), 0) ORDER BY id"
            )
        )

    def newest(
        self, connection: sqlite3.Connection, account: int, below: int
    ) -> Iterator[list[int]]:
        """Ids of an account's pushes below an id, newest first, some at a time."""
        # Recent ones first: what moves into the directory meanwhile is skipped there.
        recent = self.recent.of(account)["push"]
        yield from _pieces(recent[recent < below][::-1], self._piece)
        below = min(below, int(recent[0])) if len(recent) else below
        for (held,) in connection.execute(
            "SELECT entries FROM push_directory WHERE account = ? AND first_push < ?"
            " ORDER BY first_push DESC",
            (account, below),
        ):
            pushes = np.frombuffer(held, _ENTRY)["push"]
            yield from _pieces(pushes[pushes < below][::-1], self._piece)
            below = min(below, int(pushes[0]))

    def oldest(
        self, connection: sqlite3.Connection, account: int, first: int, end: int
    ) -> Iterator[list[int]]:
        """Ids of an account's pushes in [first, end), oldest first, some at a time."""
        rows = connection.execute(
            "SELECT entries FROM push_directory WHERE account = ? AND first_push < ?"
            " AND last_push >= ? ORDER BY first_push",
            (account, end, first),
        )
        for entries in [
            *(np.frombuffer(held, _ENTRY) for (held,) in rows),
            self.recent.of(account),
        ]:
            pushes = entries["push"]
            yield from _pieces(pushes[(pushes >= first) & (pushes < end)], self._piece)
            first = max(first, int(pushes[-1]) + 1) if len(pushes) else first

    def holding(
        self, connection: sqlite3.Connection, account: int, ranges: Sequence[Range]
    ) -> list[set[int]]:
        """For each range of seqs, the ids of the account's pushes that may overlap it.

        Only pushes of at most 500 reports: the few longer ones have an index.
        """
        held = [self.recent.of(account)]
        lowest = min(first for first, _ in ranges) - _LONGEST_PUSH
        for (entries,) in connection.execute(
            "SELECT entries FROM push_directory WHERE account = ? AND min_seq < ? AND max_seq > ?",
            (account, max(end for _, end in ranges), lowest),
        ):
            held.append(np.frombuffer(entries, _ENTRY))
        entries = np.concatenate(held)
        seqs = entries["seq"].astype(np.int64)
        return [
            set(entries["push"][(seqs < end) & (seqs > first - _LONGEST_PUSH)].tolist())
            for first, end in ranges
        ]


class DirectoryStep:
    """Writes recent pushes into the directory in steps; the last one makes it valid.

    Made while no verb runs: by then every id that was given is among the recent ones, and later
    ones are higher. Making it takes CPU only, in any thread.
    """

    def __init__(self, connection: sqlite3.Connection, recent: RecentPushes, count: int) -> None:
        self._connection = connection
        self._recent = recent
        self._count = count
        self._rows = recent.sorted_rows(count)
        self._written = 0

    def step(self, rows: int) -> bool:
        """Write the next part; False after the last one. Writing a part twice does no harm."""
        part = self._rows[self._written : self._written + rows]
        self._connection.executemany(
            "INSERT OR REPLACE INTO push_directory VALUES (?, ?, ?, ?, ?, ?)", part
        )
        self._written += len(part)
        if self._written < len(self._rows):
            return True
        self._connection.execute("DELETE FROM push_directory_end")
        self._connection.execute(
            "INSERT INTO push_directory_end VALUES (?)", (max(row[2] for row in self._rows),)
        )
        return False

    def adopt(self, index: PushIndex) -> None:
        """The last step is committed: use the directory from now on."""
        if index.recent is self._recent:  # not rebuilt meanwhile
            index.recent = self._recent.after(self._count)


def remove_entries(connection: sqlite3.Connection, last: int) -> None:
    """Retention removed all pushes up to an id."""
    connection.execute("DELETE FROM push_directory WHERE last_push <= ?", (last,))


def _pieces(pushes: _Ids, size: int) -> Iterable[list[int]]:
    ids = pushes.tolist()
    return (ids[start : start + size] for start in range(0, len(ids), size))
