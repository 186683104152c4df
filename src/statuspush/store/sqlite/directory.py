"""The directory of accounts: find by name or number, list, create, change, delete."""

import sqlite3
from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from statuspush.core.contract import Mode
from statuspush.core.kinds import Kind
from statuspush.core.moment import Milliseconds
from statuspush.core.push_settings import PushSettings, apply, learned_is_obsolete
from statuspush.core.words import Words
from statuspush.store.base import AccountFilter, Conflict, UnknownAccount
from statuspush.store.sqlite.accounts import insert_account, load_accounts, write_settings
from statuspush.store.sqlite.hot import AccountState, Totals
from statuspush.store.sqlite.progress import Progress, ProgressJournal
from statuspush.store.sqlite.pushes import Pushes
from statuspush.store.sqlite.turns import Turns

LOOKED_AT = 2000
"""Accounts looked at in one go, for a page or a figure, before others get a turn."""


class Directory:
    """All accounts, in memory. Changes run inside a group's transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        journal: ProgressJournal,
        pushes: Pushes,
        turns: Turns,
        totals: Totals,
        *,
        kinds: Mapping[str, Kind[Any]],
    ) -> None:
        self._connection = connection
        self._journal = journal
        self._pushes = pushes
        self._turns = turns
        self._totals = totals
        self.kinds = kinds
        self.by_name: dict[str, AccountState] = {}
        self.by_id: dict[int, AccountState] = {}
        self._names: list[str] = []

    def load(self) -> Sequence[AccountState]:
        """Reread all accounts and their pushes under way."""
        states = load_accounts(self._connection, self._journal.load(), self._totals, self.kinds)
        self.by_id = {state.id: state for state in states}
        self.by_name = {state.account: state for state in states}
        self._names = sorted(self.by_name)
        return states

    def find(self, account: str) -> AccountState:
        """The account of that name; raises :class:`~statuspush.store.base.UnknownAccount`."""
        state = self.by_name.get(account)
        if state is None:
            raise UnknownAccount(account)
        return state

    def progress(self, number: int) -> Progress | None:
        """Where an account stands; None if it is deleted."""
        state = self.by_id.get(number)
        return None if state is None else state.progress

    def page(
        self, after: str | None, limit: int, only: AccountFilter | None
    ) -> tuple[list[AccountState], str | None]:
        """A page by name, and the name after which the next one begins; see
        :meth:`statuspush.store.contracts.Accounts.list_accounts`.
        """
        names = self._names
        prefix = only.prefix if only is not None else ""
        start = bisect_left(names, prefix)
        if after is not None:
            start = max(start, bisect_right(names, after))
        found: list[AccountState] = []
        looked_at = start
        for name in islice(names, start, start + LOOKED_AT):
            if len(found) == limit or not name.startswith(prefix):
                break
            looked_at += 1
            state = self.by_name[name]
            if only is None or _matches(state, only):
                found.append(state)
        more = looked_at < len(names) and names[looked_at].startswith(prefix)
        return found, names[looked_at - 1] if more and looked_at > start else None

    def put(
        self, account: str, name: str, apikey_hash: bytes, kind: str, now: Milliseconds
    ) -> bool:
        """See :meth:`statuspush.store.contracts.Accounts.put_account`."""
        state = self.by_name.get(account)
        if state is not None:
            if state.kind.name != kind:
                raise Conflict(
                    Words(
                        f"{account} takes reports of kind {state.kind.name}, which stays as it is",
                        f"账户 {account} 的报告种类是 {state.kind.name}，不能更改",
                    )
                )
            state.name = name
            self._connection.execute("UPDATE accounts SET name = ? WHERE id = ?", (name, state.id))
            return False
        of = self.kinds[kind]
        number, settings = insert_account(
            self._connection, account, name, apikey_hash, now, kind=of
        )
        progress = Progress(number)
        self._journal.write_rows([progress])
        state = AccountState(number, account, name, now, of, settings, progress, self._totals)
        self.by_name[account] = self.by_id[number] = state
        insort(self._names, account)
        return True

    def change(
        self,
        account: str,
        changes: Mapping[str, object],
        now: Milliseconds,
        revision: int | None,
    ) -> tuple[PushSettings, int]:
        """See :meth:`statuspush.store.contracts.Accounts.change_push`."""
        state = self.find(account)
        before = state.settings
        if revision is not None and revision != state.revision:
            raise Conflict(
                Words(
                    f"somebody changed the settings of {account} since you read them",
                    f"账户 {account} 的设置在您读取之后已被他人修改",
                )
            )
        settings = apply(before, changes)
        if settings == before:
            return before, state.revision
        if settings.mode is Mode.OFF and not state.off:
            self._pushes.cancel_all(state, now)
        elif state.off:
            self._pushes.cover(state, now)
        state.change(settings, state.revision + 1)
        write_settings(self._connection, state)
        if settings.url != before.url:
            self._pushes.trust(state)
        if learned_is_obsolete(before, settings):
            state.progress.learned_max_bytes = None
            self._pushes.touched(state)
        self._turns.consider(state, now)
        return settings, state.revision

    def delete(self, account: str, *, force: bool) -> None:
        """See :meth:`statuspush.store.contracts.Accounts.delete_account`."""
        state = self.find(account)
        waiting = state.waiting_reports
        if not force and waiting:
            raise Conflict(
                Words(
                    f"{waiting} reports of {account} wait; force deletes them too",
                    f"账户 {account} 还有 {waiting} 条报告等待推送；加 force 可一并删除",
                )
            )
        del self.by_name[account], self.by_id[state.id]
        del self._names[bisect_left(self._names, account)]
        self._pushes.forget(state)
        self._connection.execute("DELETE FROM accounts WHERE id = ?", (state.id,))
        self._journal.forget(state.id)


def _matches(state: AccountState, only: AccountFilter) -> bool:
    if only.failing is not None and bool(state.standing.failures) is not only.failing:
        return False
    return only.waiting is None or bool(state.waiting_reports) is only.waiting
