"""Redrive: a person asks for another round; new pushes over the reports of old ones."""

import sqlite3
from collections.abc import Iterable, Sequence

from statuspush.clock import Milliseconds
from statuspush.core.contract import Mode
from statuspush.core.lifecycle import State
from statuspush.store import push_id
from statuspush.store.base import Conflict, Redriven, UnknownPush
from statuspush.store.sqlite.hot import AccountState, PushUnderWay
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.pushes import Pushes

Range = tuple[int, int]
"""Seqs [first, end) of one account."""

_SHOWN_IDS = 100


def united(ranges: Iterable[Range]) -> list[Range]:
    """The same seqs as few ranges in order; touching ones are joined."""
    result: list[Range] = []
    for first, end in sorted(ranges):
        if result and first <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        elif first < end:
            result.append((first, end))
    return result


def without(ranges: Sequence[Range], taken: Iterable[Range]) -> list[Range]:
    """``ranges`` (in order, apart from each other) less the seqs of ``taken``."""
    cuts = united(taken)
    result: list[Range] = []
    at = 0
    for first, end in ranges:
        while at < len(cuts) and cuts[at][1] <= first:
            at += 1
        start = first
        for cut_first, cut_end in cuts[at:]:
            if cut_first >= end:
                break
            if start < cut_first:
                result.append((start, cut_first))
            start = max(start, cut_end)
        if start < end:
            result.append((start, end))
    return result


class Redrive:
    """Makes the new pushes of a redrive."""

    def __init__(self, connection: sqlite3.Connection, log: ReportLog, pushes: Pushes) -> None:
        self._connection = connection
        self._log = log
        self._pushes = pushes

    def push(self, states: dict[int, AccountState], shown: str, now: Milliseconds) -> Redriven:
        """See :meth:`statuspush.store.base.Store.redrive_push`."""
        number = push_id.read(shown)
        row = self._connection.execute(
            "SELECT account, first_seq, count FROM pushes WHERE id = ?", (number,)
        ).fetchone()
        state = states.get(row[0]) if row is not None else None
        if state is None:
            raise UnknownPush(shown)
        self._check_interface(state)
        wanted = (row[1], row[1] + row[2])
        for active in state.under_way.values():
            if active.first_seq < wanted[1] and wanted[0] < active.end_seq:
                other = push_id.show(active.id)
                raise Conflict(
                    f"reports of {shown} are under way already, in push {other}",
                    f"{shown} 中的报告已在推送 {other} 中进行",
                )
        return self._make(state, [wanted], number, now)

    def account(
        self,
        state: AccountState,
        since: Milliseconds | None,
        until: Milliseconds | None,
        wanted_states: frozenset[State],
        now: Milliseconds,
    ) -> Redriven:
        """See :meth:`statuspush.store.base.Store.redrive_account`.

        Neighbouring ranges are joined, so a million single-report pushes come back as full ones.
        """
        self._check_interface(state)
        window = (
            push_id.first_id_at(since) if since is not None else 0,
            push_id.first_id_at(until) if until is not None else (1 << 63) - 1,
        )
        wanted = united(self._ranges(state, wanted_states, window))
        taken = [(push.first_seq, push.end_seq) for push in state.under_way.values()]
        if wanted and State.DELIVERED not in wanted_states:
            taken.extend(self._delivered(state, wanted[0][0], wanted[-1][1]))
        return self._make(state, without(wanted, taken), None, now)

    def _ranges(
        self, state: AccountState, wanted: frozenset[State], window: tuple[int, int]
    ) -> list[Range]:
        ranges: list[Range] = []
        for final in wanted & {State.DELIVERED, State.EXHAUSTED, State.CANCELLED}:
            # Spelled out, since a partial index is used only for a literal condition.
            given_up = " AND state IN ('exhausted', 'cancelled')" if final != "delivered" else ""
            ranges.extend(
                self._connection.execute(
                    "SELECT first_seq, first_seq + count FROM pushes WHERE account = ?"
                    f" AND id >= ? AND id < ? AND state = ?{given_up}",
                    (state.id, *window, final),
                )
            )
        return ranges

    def _delivered(self, state: AccountState, first: int, end: int) -> list[Range]:
        return list(
            self._connection.execute(
                "SELECT first_seq, first_seq + count FROM pushes INDEXED BY pushes_by_report"
                " WHERE account = ? AND first_seq > ? - 500 AND first_seq < ?"
                " AND state = 'delivered'",
                (state.id, first, end),
            )
        )

    @staticmethod
    def _check_interface(state: AccountState) -> None:
        if state.settings.mode is Mode.OFF:
            raise Conflict(
                f"the push interface of {state.account} is off; switch it on first",
                f"账户 {state.account} 的推送接口已关闭，请先开启",
            )
        if state.settings.url is None:
            raise Conflict(
                f"{state.account} has no URL to push to", f"账户 {state.account} 没有设置推送 URL"
            )

    def _make(
        self,
        state: AccountState,
        ranges: Iterable[Range],
        redrive_of: int | None,
        now: Milliseconds,
    ) -> Redriven:
        size = state.settings.max_reports
        kept = self._log.first_kept(self._connection, state.id) or state.next_seq
        made: list[PushUnderWay] = []
        for first, end in ranges:
            for start in range(max(first, kept), end, size):  # retention removed what is before
                stop = min(start + size, end)
                made.append(
                    PushUnderWay(
                        id=self._pushes.new_id(now),
                        account=state.id,
                        first_seq=start,
                        count=stop - start,
                        attempts=0,
                        failures=0,
                        accepted_at=now,
                        due_at=now,
                        redrive_of=redrive_of,
                    )
                )
        self._pushes.add_waiting(state, made)
        return Redriven(
            pushes=len(made),
            reports=sum(push.count for push in made),
            ids=[push_id.show(push.id) for push in made[:_SHOWN_IDS]],
        )
