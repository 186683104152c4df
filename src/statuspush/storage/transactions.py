"""Transactions of a writer, and the rule for what a failed one means."""

import sqlite3

from statuspush.storage.damage import breaks


class Transactions:
    """Begins, commits and rolls back on one connection.

    The rule: what failed is rolled back, and nothing of it is stored. If the error leaves it in
    doubt what is on the disk (:func:`~statuspush.storage.damage.breaks`), or the roll-back fails
    as well, the file is broken: its writer promises nothing more until a restart.

    :param what: names the file in words: "the database".
    """

    def __init__(self, connection: sqlite3.Connection, what: str) -> None:
        self._connection = connection
        self._what = what
        self.broken: str | None = None
        """Why nothing can be promised until a restart."""

    def begin(self) -> None:
        """Begin a write transaction."""
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Return once everything since :meth:`begin` is on disk."""
        self._connection.execute("COMMIT")

    def roll_back(self, error: Exception | None = None) -> None:
        """Undo what is not committed, because of ``error`` if there was one."""
        if isinstance(error, sqlite3.Error) and breaks(error):
            self.distrust(error)
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error as further:
                self.distrust(further)

    def distrust(self, reason: Exception | str) -> None:
        """Mark the file as broken; the first reason is kept."""
        if self.broken is None:
            self.broken = f"{self._what} can't be trusted until a restart: {reason}"
