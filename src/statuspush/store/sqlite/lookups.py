"""Look-ups for people, on a separate connection and thread."""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from statuspush.core.batch import fingerprint
from statuspush.core.fragment import found_in
from statuspush.core.kinds.kind import Kind
from statuspush.core.lifecycle import State
from statuspush.core.moment import Milliseconds
from statuspush.core.outcome import Outcome, Verdict
from statuspush.core.push import Attempt
from statuspush.store import push_id
from statuspush.store.base import PushDetail, PushPage, PushSummary, ReportHistory
from statuspush.store.sqlite.chunks import Chunk
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.push_index import PushIndex
from statuspush.store.sqlite.runs import find_in_runs

_COLUMNS = (
    "id, account, first_seq, count, state, attempts, due_at, delivered_at, redrive_of, superseded"
)
_P_COLUMNS = ", ".join(f"p.{column}" for column in _COLUMNS.split(", "))
_UNDER_WAY = "INDEXED BY pushes_under_way WHERE state IN ('waiting', 'sending')"
_GIVEN_UP = "INDEXED BY pushes_given_up WHERE state IN ('exhausted', 'cancelled')"
_LONGEST_PUSH = 500
_CHUNKS_A_READ = 100


_Row = Sequence[int | str | None]
_Accounts = Mapping[int, AccountState]


@dataclass(frozen=True, slots=True)
class _Found:
    """A report that was asked for."""

    account: int
    seq: int
    accepted_at: Milliseconds
    fragment: bytes


def _summary(row: _Row, owner: AccountState) -> PushSummary:
    push, _, _, count, state, attempts, due_at, delivered_at, redrive_of, superseded = row
    assert isinstance(push, int)
    assert isinstance(count, int)
    assert isinstance(attempts, int)
    assert isinstance(superseded, int)
    return PushSummary(
        id=push_id.show(push),
        account=owner.account,
        state=State(str(state)),
        reports=count,
        attempts=attempts,
        created_at=push_id.created_at(push),
        due_at=due_at if isinstance(due_at, int) and state == State.WAITING else None,
        delivered_at=delivered_at if isinstance(delivered_at, int) else None,
        redrive_of=push_id.show(redrive_of) if isinstance(redrive_of, int) else None,
        superseded=superseded,
        kind=owner.kind.name,
    )


class Reader:
    """Reads what is committed; never sees a transaction that is under way."""

    def __init__(self, connection: sqlite3.Connection, log: ReportLog, index: PushIndex) -> None:
        self._connection = connection
        self._log = log
        self._index = index

    def list_pushes(
        self, owner: AccountState, state: State | None, before: int | None, limit: int
    ) -> PushPage:
        """A page, newest first, of ids below ``before``."""
        below = before if before is not None else (1 << 63) - 1
        if state is None or state is State.DELIVERED:
            rows = self._newest(owner.id, state, below, limit + 1)
        else:
            few = _UNDER_WAY if state in (State.WAITING, State.SENDING) else _GIVEN_UP
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM pushes {few}"
                " AND account = ? AND id < ? AND state = ? ORDER BY id DESC LIMIT ?",
                (owner.id, below, state, limit + 1),
            ).fetchall()
        items = [_summary(row, owner) for row in rows[:limit]]
        return PushPage(items, items[-1].id if len(rows) > limit else None)

    def _newest(self, account: int, state: State | None, below: int, limit: int) -> list[_Row]:
        rows: list[_Row] = []
        for ids in self._index.newest(self._connection, account, below):
            rows += self._connection.execute(
                f"SELECT {_P_COLUMNS} FROM json_each(:ids) AS wanted"
                " CROSS JOIN pushes AS p ON p.id = wanted.value"
                " WHERE :state IS NULL OR p.state = :state ORDER BY p.id DESC LIMIT :limit",
                {"ids": str(ids), "state": state, "limit": limit - len(rows)},
            )
            if len(rows) == limit:
                break
        return rows

    def get_push(self, number: int, accounts: _Accounts) -> PushDetail | None:
        """One push with its reports and attempts; None if there is none."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM pushes WHERE id = ?",
            (number,),
        ).fetchone()
        if row is None or row[1] not in accounts:
            return None
        end = row[2] + min(row[3], _LONGEST_PUSH)
        return PushDetail(
            push=_summary(row, accounts[row[1]]),
            fragments=self._log.fragments(self._connection, row[1], row[2], end),
            attempts=self._attempts([number]).get(number, ()),
        )

    def _attempts(self, pushes: Sequence[int]) -> dict[int, list[Attempt]]:
        found: dict[int, list[Attempt]] = {}
        for (
            push,
            number,
            started_at,
            duration,
            outcome,
            status,
            answer,
            detail,
            reports,
        ) in self._connection.execute(
            "SELECT a.* FROM json_each(:pushes) AS wanted"
            " CROSS JOIN attempts AS a ON a.push = wanted.value"
            " UNION ALL SELECT p.id, p.attempts, p.started_at, p.duration_ms, p.outcome,"
            " p.http_status, p.answer, p.detail, p.reports_sent FROM json_each(:pushes) AS wanted"
            " CROSS JOIN pushes AS p ON p.id = wanted.value WHERE p.outcome IS NOT NULL"
            " ORDER BY 1, 2",
            {"pushes": str(list(pushes))},
        ):
            found.setdefault(push, []).append(
                Attempt(
                    number,
                    started_at,
                    duration,
                    Verdict(Outcome(outcome), status, answer, detail),
                    reports,
                )
            )
        return found

    def find_reports(
        self,
        accounts: _Accounts,
        places: Collection[int],
        key: str,
        value: str,
        limit: int,
    ) -> list[ReportHistory]:
        """Reports of these accounts with that key, newest first, each with its pushes.

        :param places: the position of the key among the search keys of their kinds.
        """
        wanted = [fingerprint(value)]
        # Tails first: one that becomes a run meanwhile is seen twice instead of never.
        tails = list(self._log.tails)
        chunk_ids: set[int] = set()
        for place in places:
            chunk_ids.update(c for _, c in find_in_runs(self._connection, place, wanted))
            chunk_ids.update(*(tail.chunks_with(place, wanted) for tail in tails))
        found: list[_Found] = []
        # A number that is called often is in many chunks: the newest ones suffice for a page.
        newest_first = sorted(chunk_ids, reverse=True)
        for start in range(0, len(newest_first), _CHUNKS_A_READ):
            page = newest_first[start : start + _CHUNKS_A_READ]
            chunks = self._log.read(self._connection, page)
            for chunk_id in page:
                chunk = chunks.get(chunk_id)
                owner = None if chunk is None else accounts.get(chunk.account)
                if chunk is not None and owner is not None and key in owner.kind.search:
                    found.extend(reversed(_matches(chunk, owner.kind, key, value)))
            if len(found) >= limit:
                break
        return self._histories(accounts, found[:limit])

    def _histories(self, accounts: _Accounts, found: Sequence[_Found]) -> list[ReportHistory]:
        wanted = json.dumps([(report.account, report.seq) for report in found])
        pushes: dict[int, list[_Row]] = {}
        # Pushes hold at most 500 reports, except those cancelled while the interface was off.
        for index, *row in self._connection.execute(
            "WITH wanted AS (SELECT key, value ->> 0 AS account, value ->> 1 AS seq"
            "                FROM json_each(?))"
            f" SELECT w.key, {_P_COLUMNS} FROM json_each(?) AS near"
            " CROSS JOIN wanted AS w ON w.key = near.value ->> 0"
            " CROSS JOIN pushes AS p ON p.id = near.value ->> 1"
            " AND p.first_seq <= w.seq AND p.first_seq + p.count > w.seq"
            f" UNION SELECT w.key, {_P_COLUMNS} FROM wanted AS w"
            " CROSS JOIN pushes AS p INDEXED BY pushes_given_up"
            " ON p.account = w.account AND p.state IN ('exhausted', 'cancelled')"
            " AND p.count > 500 AND p.first_seq <= w.seq AND p.first_seq + p.count > w.seq"
            " ORDER BY 2",
            (wanted, json.dumps(self._near(found))),
        ):
            pushes.setdefault(index, []).append(row)
        ids = {row[0] for rows in pushes.values() for row in rows}
        attempts = self._attempts([push for push in ids if isinstance(push, int)])
        return [
            self._history(
                accounts[report.account],
                report,
                pushes.get(index, []),
                attempts,
                waits=not pushes.get(index) and accounts[report.account].holds(report.seq),
            )
            for index, report in enumerate(found)
        ]

    def _near(self, found: Sequence[_Found]) -> list[tuple[int, int]]:
        """(position in ``found``, id) of the pushes that may hold these reports."""
        places: dict[int, list[int]] = {}
        for place, report in enumerate(found):
            places.setdefault(report.account, []).append(place)
        near: list[tuple[int, int]] = []
        for account, held in places.items():
            ranges = [(found[place].seq, found[place].seq + 1) for place in held]
            pushes = self._index.holding(self._connection, account, ranges)
            near += [(place, push) for place, ids in zip(held, pushes, strict=True) for push in ids]
        return near

    def _history(
        self,
        owner: AccountState,
        report: _Found,
        rows: Sequence[_Row],
        attempts: Mapping[int, Sequence[Attempt]],
        *,
        waits: bool,
    ) -> ReportHistory:
        pushes = [
            PushDetail(
                _summary(row, owner),
                b"",
                attempts.get(row[0], ()) if isinstance(row[0], int) else (),
            )
            for row in rows
        ]
        return ReportHistory(
            account=owner.account,
            fragment=report.fragment,
            seq=report.seq,
            accepted_at=report.accepted_at,
            state=pushes[-1].push.state if pushes else State.WAITING if waits else None,
            pushes=pushes,
            kind=owner.kind.name,
        )


def _matches(chunk: Chunk, kind: Kind[Any], key: str, value: str) -> list[_Found]:
    fragments = chunk.body.split(b"\n")
    return [
        _Found(chunk.account, chunk.first_seq + index, chunk.accepted_at, fragments[index])
        for index, found in enumerate(found_in(chunk.body, kind))
        if getattr(found, key) == value
    ]
