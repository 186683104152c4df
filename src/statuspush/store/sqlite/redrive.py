"""Redrive: at a person's request, new pushes over the reports of old ones."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from statuspush.core.lifecycle import FINAL, State
from statuspush.core.moment import Milliseconds
from statuspush.core.push import queued
from statuspush.core.ranges import Covered, newest, united
from statuspush.core.words import Words
from statuspush.store import push_id
from statuspush.store.base import Conflict, Redriven, UnknownPush
from statuspush.store.sqlite.hot import AccountState
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.pushes import Pushes
from statuspush.store.sqlite.sizes import Sizes
from statuspush.store.sqlite.turns import Turns

_SHOWN_IDS = 100


class Place(NamedTuple):
    """How far a redrive has come, and where it ends."""

    push: int
    seq: int
    """The reports of ``push`` before this one are done."""
    end: int
    """Only pushes below this id: not its own, nor any made after the request."""


class Redrive:
    """Makes the new pushes of a redrive, one slice per commit."""

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

    def push(
        self,
        states: dict[int, AccountState],
        shown: str,
        place: Place | None,
        now: Milliseconds,
    ) -> tuple[Redriven, Place | None]:
        """One slice of :meth:`statuspush.store.contracts.Redriving.redrive_push`."""
        number = push_id.read(shown)
        row = self._connection.execute(
            "SELECT account, first_seq, count FROM pushes WHERE id = ?", (number,)
        ).fetchone()
        state = states.get(row[0]) if row is not None else None
        if state is None:
            raise UnknownPush(shown)
        self._check_interface(state)
        wanted = (row[1], row[1] + row[2])
        if place is None:
            self._check_at_rest(state, shown, *wanted)
            place = Place(number or 0, 0, self._pushes.last_id + 1)
        return self._slice(state, [(place.push, *wanted, 1)], place, now, whichever=True)

    def account(
        self,
        state: AccountState,
        *,
        since: Milliseconds | None,
        until: Milliseconds | None,
        wanted: frozenset[State],
        place: Place | None,
        now: Milliseconds,
    ) -> tuple[Redriven, Place | None]:
        """One slice of :meth:`statuspush.store.contracts.Redriving.redrive_account`.

        ``place`` is None at first, then the second value of the last call, until that is None.
        """
        self._check_interface(state)
        if place is None:
            first = push_id.first_id_at(since) if since is not None else 0
            end = push_id.first_id_at(until) if until is not None else (1 << 63) - 1
            place = Place(first, 0, min(end, self._pushes.last_id + 1))
        found = self._pushes_in(state, wanted, place.push, place.end)
        made, further = self._slice(state, found, place, now)
        if further is None and len(found) == self._sizes.redrive_looked_at:
            further = Place(found[-1][0] + 1, 0, place.end)
        return made, further

    def _slice(
        self,
        state: AccountState,
        found: Sequence[tuple[int, int, int, int]],
        place: Place,
        now: Milliseconds,
        *,
        whichever: bool = False,
    ) -> tuple[Redriven, Place | None]:
        """Redrive (push, first, end, superseded) as far as fits one commit; also returns the place
        of the rest. Of a superseded push, only what is in no newer push, or with ``whichever`` all.
        """
        size = state.max_reports
        left = self._sizes.redrive_made * size
        chosen: list[Covered] = []
        further: Place | None = None
        joined = -1
        for push, begin, end, superseded in found:
            first = max(begin, place.seq) if push == place.push else begin
            stop = min(end, first + left)
            if superseded:
                parts = self._covered(state, first, stop)
                chosen += [part for part in parts if whichever or part.push == push]
            elif first < stop:
                chosen.append(Covered(first, stop, push))
            # A range that does not adjoin the one before begins a new push.
            left -= stop - first if first == joined else -(-(stop - first) // size) * size
            joined = stop
            if stop < end or left <= 0:
                further = Place(push, stop, place.end)
                break
        return self._make(state, sorted(chosen, key=lambda part: part.first), now), further

    @staticmethod
    def _check_at_rest(state: AccountState, shown: str, first: int, end: int) -> None:
        for active in state.under_way.values():
            if active.first_seq < end and first < active.end_seq:
                other = push_id.show(active.id)
                raise Conflict(
                    Words(
                        f"reports of {shown} are under way already, in push {other}",
                        f"{shown} 中的报告已在推送 {other} 中进行",
                    )
                )

    def _pushes_in(
        self, state: AccountState, wanted: frozenset[State], first_id: int, end_id: int
    ) -> list[tuple[int, int, int, int]]:
        """(id, first, end, superseded) of a slice of the pushes that hold something to redrive."""
        finals = wanted.intersection(FINAL)
        if not finals:
            return []
        places = ",".join("?" * len(finals))
        condition = f"p.state IN ({places}) AND p.superseded < p.count ORDER BY p.id LIMIT ?"
        columns = "p.id, p.first_seq, p.first_seq + p.count, p.superseded"
        if State.DELIVERED not in finals:
            return self._connection.execute(
                f"SELECT {columns} FROM pushes AS p INDEXED BY pushes_given_up"
                " WHERE p.state IN ('exhausted', 'cancelled')"
                f" AND p.account = ? AND p.id >= ? AND p.id < ? AND {condition}",
                (state.id, first_id, end_id, *finals, self._sizes.redrive_looked_at),
            ).fetchall()
        found: list[tuple[int, int, int, int]] = []
        for ids in self._pushes.index.oldest(self._connection, state.id, first_id, end_id):
            found += self._connection.execute(
                f"SELECT {columns} FROM json_each(?) AS wanted"
                f" CROSS JOIN pushes AS p ON p.id = wanted.value WHERE {condition}",
                (str(ids), *finals, self._sizes.redrive_looked_at - len(found)),
            )
            if len(found) == self._sizes.redrive_looked_at:
                break
        return found

    def _covered(self, state: AccountState, first: int, end: int) -> list[Covered]:
        """The newest push for each part of [first, end), if it is not under way.

        Not one whose reports were all in newer pushes: retention removed those with them.
        """
        if first >= end:
            return []
        (near,) = self._pushes.index.holding(self._connection, state.id, [(first, end)])
        pushes = self._connection.execute(
            "SELECT p.id, p.first_seq, p.first_seq + p.count, p.superseded"
            " FROM json_each(:near) AS near CROSS JOIN pushes AS p ON p.id = near.value"
            # Pushes without a length limit: cancelled while the interface was off.
            " UNION SELECT id, first_seq, first_seq + count, superseded"
            " FROM pushes INDEXED BY pushes_given_up"
            " WHERE account = :account AND state IN ('exhausted', 'cancelled') AND count > 500"
            " AND first_seq < :end AND first_seq + count > :first",
            {"account": state.id, "first": first, "end": end, "near": str(list(near))},
        ).fetchall()
        passed_over = {push for push, begins, ends, gone in pushes if gone >= ends - begins}
        return [
            Covered(max(part.first, first), min(part.end, end), part.push)
            for part in newest([row[:3] for row in pushes])
            if part.first < end
            and first < part.end
            and part.push not in passed_over
            and part.push not in state.under_way
        ]

    @staticmethod
    def _check_interface(state: AccountState) -> None:
        if state.off:
            raise Conflict(
                Words(
                    f"the push interface of {state.account} is off; switch it on first",
                    f"账户 {state.account} 的推送接口已关闭，请先开启",
                )
            )
        if state.settings.url is None:
            raise Conflict(
                Words(
                    f"{state.account} has no URL to push to",
                    f"账户 {state.account} 没有设置推送 URL",
                )
            )

    def _make(self, state: AccountState, parts: Sequence[Covered], now: Milliseconds) -> Redriven:
        """Make new pushes over these parts, in order; neighbours are joined into full ones."""
        size = state.max_reports
        # Retention removed what came before.
        kept = self._log.first_kept(self._connection, state.id) or state.progress.next_seq
        parts = [
            Covered(max(part.first, kept), part.end, part.push) for part in parts if part.end > kept
        ]
        origin = {part.first: part.push for part in parts}
        ranges: list[tuple[int, int, int]] = []
        for first, end in united((part.first, part.end) for part in parts):
            for start in range(first, end, size):
                source = origin.get(start) or ranges[-1][2]
                ranges.append((start, min(start + size, end), source))
        times = self._log.accepted(state.id, [start for start, _, _ in ranges]) if ranges else {}
        made = [
            queued(
                self._pushes.new_id(now),
                state.id,
                first_seq=start,
                count=end - start,
                accepted_at=times.get(start, now),
                due_at=now,
                redrive_of=source,
            )
            for start, end, source in ranges
        ]
        if made:
            self._supersede(state, parts)
            self._pushes.add_waiting(state, made)
            self._pushes.trust(state)
            self._turns.consider(state, now)
        return Redriven(
            pushes=len(made),
            reports=sum(push.count for push in made),
            ids=[push_id.show(push.id) for push in made[:_SHOWN_IDS]],
        )

    def _supersede(self, state: AccountState, parts: Sequence[Covered]) -> None:
        overtaken: dict[int, int] = {}
        for part in parts:
            overtaken[part.push] = overtaken.get(part.push, 0) + part.end - part.first
        finals = dict(
            self._connection.execute(
                "SELECT p.id, p.state FROM json_each(?) AS wanted"
                " CROSS JOIN pushes AS p ON p.id = wanted.value",
                (str(list(overtaken)),),
            )
        )
        self._pushes.supersede(
            (state, State(finals[push]), push, reports) for push, reports in overtaken.items()
        )
