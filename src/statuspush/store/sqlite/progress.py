"""Progress of accounts: where each stands, written as a journal and folded into rows later.

A commit may change the progress of many accounts. Rewriting the row of each would dirty a page for
each. So a commit appends one entry with all of them, and now and then the entries are folded: the
row of every account in them is written once, however often it changed.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from statuspush.core.lifecycle import FINAL, State
from statuspush.core.outcome import Outcome, Verdict
from statuspush.core.standing import NEW, Standing

FOLD_BYTES: Final = 2 << 20
"""Size of the journal at which folding begins."""
_ROWS: Final = 500
"""Rows written in one commit."""

_AT: Final = {state: index for index, state in enumerate(FINAL)}


class Progress(msgspec.Struct, array_like=True, gc=False):
    """The progress of one account. A journal entry is a list of these."""

    account: int
    next_seq: int = 1
    """One past the newest report."""
    cursor: int = 1
    """The first report that is in no push yet."""
    pull_cursor: int = 1
    expired: int = 0
    """Reports that retention removed before they were pushed."""
    pushes: list[int] = msgspec.field(default_factory=lambda: [0, 0, 0])
    """Pushes in each final state, in the order of :data:`~statuspush.core.lifecycle.FINAL`."""
    reports: list[int] = msgspec.field(default_factory=lambda: [0, 0, 0])
    """Reports in them, each counted in its newest push."""
    standing: Standing = NEW
    learned_max_bytes: int | None = None
    """Largest body that the endpoint is known to take."""

    def count(self, final: State, *, pushes: int, reports: int) -> None:
        """Count pushes and reports in a final state; negative when they are gone."""
        self.pushes[_AT[final]] += pushes
        self.reports[_AT[final]] += reports

    def counted(self, final: State) -> tuple[int, int]:
        """(pushes, reports) in a final state."""
        return self.pushes[_AT[final]], self.reports[_AT[final]]


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Progress]).decode


@dataclass(slots=True)
class _Fold:
    """Accounts whose rows are being written, and the last entry that they make obsolete."""

    accounts: list[int]
    last: int


class ProgressJournal:
    """Writes what changed, and folds it from time to time.

    :param fold_bytes: size of the journal at which folding begins.
    """

    def __init__(self, connection: sqlite3.Connection, fold_bytes: int = FOLD_BYTES) -> None:
        self._connection = connection
        self._fold_bytes = fold_bytes
        self._last = 0
        self._bytes = 0
        self._touched: set[int] = set()
        self._fold: _Fold | None = None

    def load(self) -> dict[int, Progress]:
        """The progress of all accounts as it is on disk."""
        connection = self._connection
        found: dict[int, Progress] = {}
        upto: dict[int, int] = {}
        for row in connection.execute("SELECT * FROM progress"):
            progress, included = _from_row(row)
            found[progress.account] = progress
            upto[progress.account] = included
        self._last = max(upto.values(), default=0)
        self._bytes = 0
        self._touched = set()
        self._fold = None
        for entry, body in connection.execute("SELECT id, body FROM journal ORDER BY id"):
            self._bytes += len(body)
            self._last = max(self._last, entry)
            for progress in _decode(body):
                if upto.get(progress.account, entry) < entry:
                    found[progress.account] = progress
                    self._touched.add(progress.account)
        return found

    def add(self, changed: Sequence[Progress]) -> None:
        """Append an entry, in the caller's transaction."""
        body = _encode(changed)
        self._last += 1
        self._connection.execute("INSERT INTO journal VALUES (?, ?)", (self._last, body))
        self._bytes += len(body)
        self._touched.update([progress.account for progress in changed])

    @property
    def to_fold(self) -> bool:
        """Whether there is anything to fold now."""
        return self._fold is not None or self._bytes >= self._fold_bytes

    def fold(self, progress: Callable[[int], Progress | None]) -> None:
        """Write the next rows; :attr:`to_fold` says whether there are more.

        :param progress: an account's progress in memory, None if it is deleted. Changes by the
            running transaction are in an entry after :attr:`_last`, which is read after the row.
        """
        fold = self._fold
        if fold is None:
            fold = self._fold = _Fold(list(self._touched), self._last)
            self._touched = set()
            self._bytes = 0
        part, fold.accounts = fold.accounts[:_ROWS], fold.accounts[_ROWS:]
        self.write_rows(row for account in part if (row := progress(account)) is not None)
        if not fold.accounts:
            self._connection.execute("DELETE FROM journal WHERE id <= ?", (fold.last,))
            self._fold = None

    def write_rows(self, rows: Iterable[Progress]) -> None:
        """Write rows of accounts."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO progress (account, next_seq, push_cursor, pull_cursor,"
            " delivered, exhausted, cancelled, delivered_reports, exhausted_reports,"
            " cancelled_reports, expired_reports, consecutive_failures, slow, last_outcome,"
            " last_attempt_at, last_delivered_at, last_http_status, last_answer, last_detail,"
            " trusted_since, learned_max_bytes, journal)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_to_row(progress, self._last) for progress in rows],
        )

    def forget(self, account: int) -> None:
        """An account is deleted. Its journal entries are ignored from now on."""
        self._connection.execute("DELETE FROM progress WHERE account = ?", (account,))
        self._touched.discard(account)


def _to_row(progress: Progress, journal: int) -> tuple[object, ...]:
    standing = progress.standing
    verdict = standing.last_verdict
    return (
        progress.account,
        progress.next_seq,
        progress.cursor,
        progress.pull_cursor,
        *progress.pushes,
        *progress.reports,
        progress.expired,
        standing.failures,
        standing.slow,
        verdict.outcome if verdict else None,
        standing.last_attempt_at,
        standing.last_delivered_at,
        verdict.http_status if verdict else None,
        verdict.answer if verdict else b"",
        verdict.detail if verdict else "",
        standing.trusted_since,
        progress.learned_max_bytes,
        journal,
    )


def _from_row(row: Sequence[Any]) -> tuple[Progress, int]:
    (
        account,
        next_seq,
        cursor,
        pull_cursor,
        *tallies,
        expired,
        failures,
        slow,
        outcome,
        last_attempt_at,
        last_delivered_at,
        http_status,
        answer,
        detail,
        trusted_since,
        learned_max_bytes,
        journal,
    ) = row
    verdict = None
    if outcome is not None:
        verdict = Verdict(Outcome(outcome), http_status, answer, detail)
    standing = Standing(
        failures,
        bool(slow),
        trusted_since,
        verdict,
        last_attempt_at,
        last_delivered_at,
    )
    progress = Progress(
        account,
        next_seq,
        cursor,
        pull_cursor,
        expired,
        tallies[:3],
        tallies[3:],
        standing,
        learned_max_bytes,
    )
    return progress, journal
