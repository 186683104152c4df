"""Retention: removes runs of the log and pushes from the old end, in bounded steps.

Each step is small enough to share a commit with accepting; if this process is killed between two
steps, the next one continues there.
"""

import sqlite3
from collections.abc import Iterable
from itertools import islice
from typing import Final

import structlog

from statuspush.core.lifecycle import State
from statuspush.core.moment import Milliseconds
from statuspush.core.push import Push, expire
from statuspush.store import push_id
from statuspush.store.base import Swept
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.push_index import remove_entries
from statuspush.store.sqlite.pushes import Pushes
from statuspush.store.sqlite.sizes import Sizes
from statuspush.store.sqlite.turns import Turns

_DIRECTORY_STEP: Final = 1000
_CHUNK_STEP: Final = 500
_BLOCK_STEP: Final = 64
_PUSH_STEP: Final = 1000
_AHEAD: Final[Milliseconds] = 60_000
"""A smaller lead of an earlier process's clock is not worth a warning."""
_log = structlog.get_logger("store")


class Retention:
    """Does one step per call."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        log: ReportLog,
        pushes: Pushes,
        turns: Turns,
        sizes: Sizes,
    ) -> None:
        self._sizes = sizes
        self._connection = connection
        self._log = log
        self._pushes = pushes
        self._turns = turns
        self._gone: int | None = None

    def look_at_the_clock(self, now: Milliseconds) -> None:
        """Warn at open if the clock was ahead while an earlier process ran."""
        # Stored times are not corrected by this clock: it might be the wrong one.
        ahead = push_id.created_at(self._pushes.last_id) - now
        if ahead > _AHEAD:
            _log.warning(
                "the clock is behind the time of the newest push: if it was ahead before, new"
                " pushes are shown as created at that time until it has come, since ids only rise",
                behind_ms=ahead,
            )

    def step(
        self, states: dict[int, AccountState], *, keep_from: Milliseconds, now: Milliseconds
    ) -> Swept:
        """Remove one step's worth of what is older than ``keep_from``."""
        self._gone = None
        removed = self._remove_pushes(states, keep_from, now)
        if removed:
            return Swept(more=True, pushes_removed=removed)
        # Always the oldest run: a clock set back must not make a hole in the log.
        row = self._connection.execute(
            "SELECT newest_at, id, first_chunk, last_chunk FROM runs ORDER BY id LIMIT 1"
        ).fetchone()
        if row is None:
            return Swept(more=False)
        newest_at, run, first_chunk, last_chunk = row
        if newest_at > now:  # the clock was ahead: this is older than what came after it
            newest_at = self._newest_at_after(run, now)
        if newest_at >= keep_from:
            return Swept(more=False)
        return (
            self._remove_directory(states, first_chunk, now)
            or self._remove_chunks(last_chunk)
            or self._remove_blocks(run)
        )

    def adopt(self) -> None:
        """The step is committed: forget the run if nothing of it is left."""
        if self._gone is not None:
            self._log.drop_run(self._gone)
            self._gone = None

    def _newest_at_after(self, run: int, now: Milliseconds) -> Milliseconds:
        row = self._connection.execute(
            "SELECT newest_at FROM runs WHERE id > ? AND newest_at <= ? ORDER BY id LIMIT 1",
            (run, now),
        ).fetchone()
        return now if row is None else int(row[0])

    # pushes

    def _remove_pushes(
        self, states: dict[int, AccountState], keep_from: Milliseconds, now: Milliseconds
    ) -> int:
        ended = []
        for push, account, shown, count in self._old_pushes(keep_from, now):
            state = states.get(account)
            final = State(shown)
            if final in (State.WAITING, State.SENDING) and state is not None:
                break  # goes with its reports, in the run
            ended.append(push)
            if state is not None:
                state.progress.count(final, pushes=-1, reports=-count)
                self._pushes.touched(state)
        if ended:
            self._connection.execute("DELETE FROM attempts WHERE push <= ?", (ended[-1],))
            self._connection.execute("DELETE FROM pushes WHERE id <= ?", (ended[-1],))
            remove_entries(self._connection, ended[-1])
        return len(ended)

    def _old_pushes(
        self, keep_from: Milliseconds, now: Milliseconds
    ) -> list[tuple[int, int, str, int]]:
        """(id, account, state, reports counted in it) of the oldest pushes, if too old."""
        first = self._connection.execute("SELECT min(id) FROM pushes").fetchone()[0]
        end = push_id.first_id_at(keep_from)
        if first is not None and first > push_id.first_id_at(now + 1):
            # Made after the clock had been ahead, they have ids of that time, which mean nothing.
            # All pushes up to one that is too old are too old.
            end = (
                1
                + self._connection.execute(
                    "SELECT coalesce(max(id) FILTER (WHERE at < ?), 0) FROM"
                    " (SELECT id, max(accepted_at, coalesce(delivered_at, 0)) AS at FROM pushes"
                    "  ORDER BY id LIMIT ?)",
                    (keep_from, _PUSH_STEP),
                ).fetchone()[0]
            )
        elif first is None or first >= end:
            return []
        return self._connection.execute(
            "SELECT id, account, state, count - superseded FROM pushes WHERE id < ?"
            " ORDER BY id LIMIT ?",
            (end, _PUSH_STEP),
        ).fetchall()

    # a run

    def _remove_directory(
        self, states: dict[int, AccountState], first_chunk: int, now: Milliseconds
    ) -> Swept | None:
        """Take the reports of accounts out of their pushes; None once all of the run's are."""
        sending: dict[int, int] = {}
        for _, push in self._pushes.claimed.values():
            sending[push.account] = min(push.first_seq, sending.get(push.account, push.first_seq))
        held, expired, left = False, 0, _PUSH_STEP
        done: list[tuple[int, int]] = []
        for account, first, end in self._connection.execute(
            "SELECT account, first_seq, end_seq FROM directory WHERE first_chunk = ? LIMIT ?",
            (first_chunk, _DIRECTORY_STEP + len(sending)),
        ).fetchall():
            state = states.get(account)
            if state is not None:
                expired += self._expire_uncut(state, end)
                if sending.get(account, end) < end:
                    held = True  # they stay until their outcome is known
                    continue
                old = (push for push in state.under_way.values() if push.first_seq < end)
                pushes = list(islice(old, left + 1))
                expired += self._expire(state, pushes[:left], end, now)
                left -= len(pushes)
                if left < 0:
                    held = True
                    break
            done.append((account, first))
        self._connection.executemany(
            "DELETE FROM directory WHERE account = ? AND first_seq = ?", done
        )
        if done or expired or left < _PUSH_STEP:
            return Swept(more=True, reports_expired=expired)
        return Swept(more=False) if held else None

    def _remove_chunks(self, last_chunk: int) -> Swept | None:
        """Remove the oldest chunks of the run; None if there are none left."""
        last, removed, size = 0, 0, 0
        for chunk, count, body_bytes in self._connection.execute(
            "SELECT id, count, length(body) FROM chunks WHERE id <= ? ORDER BY id LIMIT ?",
            (last_chunk, _CHUNK_STEP),
        ):
            last = chunk
            removed += count
            size += body_bytes
            if size >= self._sizes.removed_bytes:
                break
        if not removed:
            return None
        self._connection.execute("DELETE FROM chunks WHERE id <= ?", (last,))
        return Swept(more=True, reports_removed=removed)

    def _remove_blocks(self, run: int) -> Swept:
        """Remove blocks of the run, and finally the run."""
        removed = self._connection.execute(
            "DELETE FROM index_blocks WHERE rowid IN"
            " (SELECT rowid FROM index_blocks WHERE run = ? LIMIT ?)",
            (run, _BLOCK_STEP),
        ).rowcount
        if not removed:
            self._connection.execute("DELETE FROM runs WHERE id = ?", (run,))
            self._gone = run
        return Swept(more=True)

    # what still waited

    def _expire_uncut(self, state: AccountState, end: int) -> int:
        """Drop an account's reports below ``end``; return how many were in no push yet."""
        expired = state.pass_over(end)
        state.progress.pull_cursor = max(state.progress.pull_cursor, end)
        state.progress.expired += expired
        self._pushes.touched(state)
        return expired

    def _expire(
        self, state: AccountState, pushes: Iterable[Push], end: int, now: Milliseconds
    ) -> int:
        """Take the reports below ``end`` out of waiting pushes; return how many these were."""
        pushes = list(pushes)
        if not pushes:
            return 0
        accepted_at = None
        if any(push.end_seq > end for push in pushes):
            accepted_at = self._log.accepted(state.id, [end]).get(end)
        found = [
            (push, expire(push, end, accepted_at, lambda: self._pushes.new_id(now)))
            for push in pushes
        ]
        self._pushes.remove(state, [push for push, expired in found if expired.push is None])
        kept = [expired.push for _, expired in found if expired.push is not None]
        self._pushes.shorten(state, [push for push in kept if push.state is State.WAITING])
        sent = [push for push in kept if push.state is not State.WAITING]
        if sent:
            self._pushes.cancel(state, sent)
            self._pushes.supersede((state, push.state, push.id, push.count) for push in sent)
            self._pushes.add_waiting(
                state, [expired.rest for _, expired in found if expired.rest is not None]
            )
        reports = sum(expired.reports for _, expired in found)
        state.progress.expired += reports
        self._pushes.touched(state)
        self._turns.consider(state, now)  # without its retry there may be something to cut
        return reports
