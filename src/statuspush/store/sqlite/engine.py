"""The embedded engine: the store contract on one SQLite file, for one process."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from statuspush.clock import Milliseconds
from statuspush.core.batch import Batch
from statuspush.core.contract import Mode
from statuspush.core.errors import InputError
from statuspush.core.lifecycle import State
from statuspush.core.settings import PushSettings, apply, learned_is_obsolete
from statuspush.core.words import Words
from statuspush.storage.checkpoint import Checkpoints
from statuspush.storage.file import FileLock, connect, migrate, open_database, refusing
from statuspush.store import push_id
from statuspush.store.base import (
    Account,
    Appended,
    ClaimedPush,
    Conflict,
    PushDetail,
    PushPage,
    Recording,
    Redriven,
    ReportHistory,
    StoreFigures,
    StoreUnavailable,
    Swept,
    UnknownAccount,
    UnknownAccounts,
    UnknownPush,
)
from statuspush.store.sqlite.accounts import (
    insert_account,
    load_accounts,
    write_progress,
    write_settings,
)
from statuspush.store.sqlite.append import Appends
from statuspush.store.sqlite.claims import Claims
from statuspush.store.sqlite.commit import GroupCommit
from statuspush.store.sqlite.file import SCHEMA
from statuspush.store.sqlite.hot import AccountState, Turns
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.lookups import Lookups
from statuspush.store.sqlite.outcomes import Outcomes
from statuspush.store.sqlite.overview import Overview
from statuspush.store.sqlite.pushes import Pushes
from statuspush.store.sqlite.redrive import Place, Redrive
from statuspush.store.sqlite.retention import Retention
from statuspush.store.sqlite.runs import remake_filters
from statuspush.store.sqlite.sealing import Sealing
from statuspush.telemetry import Telemetry

T = TypeVar("T")
_log = structlog.get_logger("store")


class SqliteStore:
    """See :class:`statuspush.store.base.Store`; what each verb promises is written there."""

    def __init__(self, database: str | Path, telemetry: Telemetry | None = None) -> None:
        # SQLite puts the files beside it where the link leads, not where the link is.
        self._path = Path(database).resolve()
        self._telemetry = telemetry or Telemetry()
        self._lock = FileLock(self._path)
        self._by_name: dict[str, AccountState] = {}
        self._by_id: dict[int, AccountState] = {}
        self._dirty: set[AccountState] = set()
        self._turns = Turns()
        self._now: Milliseconds = 0

    # life

    async def open(self, now: Milliseconds, *, latest_due: Milliseconds | None = None) -> None:
        with ExitStack() as undo:
            self._lock.acquire()
            undo.callback(self._lock.release)
            self._connection = open_database(self._path)
            undo.callback(self._connection.close)
            with refusing(self._path):
                self._open_file(now, latest_due)
            undo.pop_all()

    def _open_file(self, now: Milliseconds, latest_due: Milliseconds | None) -> None:
        migrate(self._connection, self._path, SCHEMA)
        self._now = now
        self._log = ReportLog(self._connection)
        self._appends = Appends(self._connection, self._log)
        self._pushes = Pushes(self._connection, self._dirty)
        self._claims = Claims(self._connection, self._log, self._pushes, self._turns)
        self._outcomes = Outcomes(self._connection, self._pushes, self._turns)
        self._redrive = Redrive(self._connection, self._log, self._pushes, self._turns)
        self._retention = Retention(self._connection, self._log, self._pushes, self._turns)
        self._sealing = Sealing(self._connection, self._log, self._pushes.index, self._dirty)
        self._connection.execute("BEGIN IMMEDIATE")
        remake_filters(self._connection)
        self._connection.execute("COMMIT")
        self._load()
        self._retention.look_at_the_clock(now)
        self._connection.execute("BEGIN IMMEDIATE")
        for state in self._by_id.values():
            if state.trusted_since:  # every claim is a later one, also by a clock set back
                state.trusted_since = 0
                self._dirty.add(state)
        interrupted = self._claims.interrupted(self._claims.all(), now)
        if latest_due is not None:
            self._claims.hasten(self._by_id.values(), latest_due, now)
        self._write_rest()
        self._connection.execute("COMMIT")
        if interrupted:
            _log.warning("pushes were under way when the last process ended", pushes=interrupted)
        self._read_connection = connect(self._path, read_only=True)
        self._lookups = Lookups(self._read_connection, self._log, self._pushes.index)
        self._overview = Overview(self._read_connection, self._log)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="lookup")
        self._checkpoints = Checkpoints(self._path, self._connection)
        self._commit = GroupCommit(
            self._connection,
            self._telemetry,
            before_commit=self._write_rest,
            reload=self._load,
            between=self._checkpoints.between_groups,
        )

    def _load(self) -> None:
        """Build the hot state from what is committed: at open, and after a roll-back."""
        states = load_accounts(self._connection)
        for state in states:  # no revision of an earlier process comes again
            known = self._by_id.get(state.id)
            state.revision = self._now if known is None else known.revision
        self._by_id = {state.id: state for state in states}
        self._by_name = {state.account: state for state in states}
        self._dirty.clear()
        self._sealing.clear()
        self._log.load_runs()
        self._log.load_tails(self._by_id, self._now)
        self._turns.clear()
        self._pushes.load(states)
        for state in states:
            self._turns.consider(state, self._now)

    def _write_rest(self) -> None:
        """Write what the verbs of a group left in memory, before it is committed."""
        self._log.memory.write(self._connection)
        if self._dirty:
            write_progress(self._connection, self._dirty)
            self._dirty.clear()

    async def close(self) -> None:
        await self._commit.close()
        self._reader.shutdown()
        self._sealing.close()
        self._checkpoints.close()
        self._read_connection.close()
        self._connection.close()
        self._checkpoints.release()
        self._lock.release()

    async def ping(self) -> None:
        await self._commit.run(lambda: None)

    def _state(self, account: str) -> AccountState:
        state = self._by_name.get(account)
        if state is None:
            raise UnknownAccount(account)
        return state

    async def _read(self, question: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, question)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot read the database: {error}") from error

    # accounts

    async def put_account(
        self, account: str, name: str, apikey_hash: bytes, now: Milliseconds
    ) -> bool:
        def verb() -> bool:
            state = self._by_name.get(account)
            if state is not None:
                state.name = name
                self._connection.execute(
                    "UPDATE accounts SET name = ? WHERE id = ?", (name, state.id)
                )
                return False
            state = insert_account(self._connection, account, name, apikey_hash, now)
            state.revision = now
            self._by_name[account] = self._by_id[state.id] = state
            return True

        return await self._commit.run(verb)

    async def get_account(self, account: str) -> Account:
        (described,) = await self._described([self._state(account)])
        return described

    async def list_accounts(self) -> Sequence[Account]:
        return await self._described(
            sorted(self._by_name.values(), key=lambda state: state.account)
        )

    async def _described(self, states: Sequence[AccountState]) -> list[Account]:
        if stale := self._overview.stale(states):
            await self._read(lambda: self._overview.refresh(stale))
        return [self._overview.account(state) for state in states]

    async def delete_account(self, account: str, *, force: bool, now: Milliseconds) -> None:
        def verb() -> None:
            state = self._state(account)
            if not force and (state.under_way or state.backlog):
                waiting = state.backlog + sum(push.count for push in state.under_way.values())
                raise Conflict(
                    Words(
                        f"{waiting} reports of {account} wait; force deletes them too",
                        f"账户 {account} 还有 {waiting} 条报告等待推送；加 force 可一并删除",
                    )
                )
            del self._by_name[account], self._by_id[state.id]
            self._dirty.discard(state)
            self._pushes.forget(state)
            self._connection.execute("DELETE FROM accounts WHERE id = ?", (state.id,))
            self._connection.execute("DELETE FROM progress WHERE account = ?", (state.id,))

        await self._commit.run(verb)

    async def change_push(
        self,
        account: str,
        changes: Mapping[str, object],
        now: Milliseconds,
        *,
        revision: int | None = None,
    ) -> tuple[PushSettings, int]:
        def verb() -> tuple[PushSettings, int]:
            state = self._state(account)
            if revision is not None and revision != state.revision:
                raise Conflict(
                    Words(
                        f"somebody changed the settings of {account} since you read them",
                        f"账户 {account} 的设置在您读取之后已被他人修改",
                    )
                )
            before, settings = state.settings, apply(state.settings, changes)
            if settings == before:
                return before, state.revision
            state.settings = settings
            state.revision += 1
            if learned_is_obsolete(before, settings):
                state.learned_max_bytes = None
            write_settings(self._connection, state)
            if settings.url != before.url:
                self._pushes.trust(state)
            if settings.mode is Mode.OFF:
                self._pushes.cancel_all(state, now)
            elif before.mode is Mode.OFF:
                self._pushes.cover(state, now)
            state.noted_due = None
            self._turns.consider(state, now)
            return settings, state.revision

        return await self._commit.run(verb)

    async def get_secret(self, name: str) -> bytes | None:
        def question() -> bytes | None:
            row = self._read_connection.execute(
                "SELECT value FROM secrets WHERE name = ?", (name,)
            ).fetchone()
            return None if row is None else bytes(row[0])

        return await self._read(question)

    async def put_secret(self, name: str, value: bytes) -> None:
        await self._commit.run(
            lambda: self._connection.execute(
                "INSERT OR REPLACE INTO secrets VALUES (?, ?)", (name, value)
            )
        )

    # the way of a report

    async def append_reports(self, batch: Batch, now: Milliseconds) -> Appended:
        def verb() -> Appended:
            try:
                states = [self._by_name[account] for account in batch.accounts]
            except KeyError:
                raise UnknownAccounts(frozenset(batch.accounts) - self._by_name.keys()) from None
            self._now = now
            gained, accepted = self._appends.append(states, batch, now)
            for state in gained:
                if not state.queued:
                    self._turns.consider(state, now)
            return Appended(accepted, batch.reports - accepted)

        return await self._commit.run(verb)

    async def claim_pushes(
        self, now: Milliseconds, *, limit: int, suspect_limit: int, lease_ms: int
    ) -> Sequence[ClaimedPush]:
        if not self._turns.work(now, limit=limit, suspect_limit=suspect_limit):
            return ()
        self._now = now
        return await self._commit.run(
            lambda: self._claims.claim(
                now, limit=limit, suspect_limit=suspect_limit, lease_ms=lease_ms
            )
        )

    async def record_outcomes(
        self, recordings: Sequence[Recording], now: Milliseconds
    ) -> Sequence[bool]:
        return await self._commit.run(lambda: self._outcomes.record(recordings, now))

    async def release_claims(self, pushes: Sequence[ClaimedPush], now: Milliseconds) -> None:
        await self._commit.run(lambda: self._claims.release(pushes, now))

    async def next_due(self) -> Milliseconds | None:
        return self._turns.next_due()

    # a person asks

    async def redrive_push(self, push: str, now: Milliseconds) -> Redriven:
        return await self._in_slices(
            lambda place: self._redrive.push(self._by_id, push, place, now)
        )

    async def redrive_account(
        self,
        account: str,
        *,
        since: Milliseconds | None,
        until: Milliseconds | None,
        states: frozenset[State],
        now: Milliseconds,
    ) -> Redriven:
        return await self._in_slices(
            lambda place: self._redrive.account(
                self._state(account),
                since=since,
                until=until,
                wanted=states,
                place=place,
                now=now,
            )
        )

    async def _in_slices(
        self, work: Callable[[Place | None], tuple[Redriven, Place | None]]
    ) -> Redriven:
        """A slice a commit, so that a redrive of a million pushes holds nobody up."""
        redriven, place = await self._commit.run(partial(work, None))
        while place is not None:
            made, place = await self._commit.run(partial(work, place))
            redriven = redriven.plus(made)
        return redriven

    # looking things up

    async def list_pushes(
        self, account: str, *, state: State | None, cursor: str | None, limit: int
    ) -> PushPage:
        owner = self._state(account)
        before = None if cursor is None else push_id.read(cursor)
        if cursor is not None and before is None:
            raise InputError("the cursor is not one that a page of pushes gave")
        return await self._read(
            lambda: self._lookups.list_pushes(owner.id, account, state, before, limit)
        )

    async def get_push(self, push: str) -> PushDetail:
        number = push_id.read(push)
        names = {state.id: state.account for state in self._by_id.values()}
        detail = (
            await self._read(lambda: self._lookups.get_push(number, names))
            if number is not None
            else None
        )
        if detail is None:
            raise UnknownPush(push)
        return detail

    async def find_reports(
        self,
        *,
        account: str | None = None,
        sid: str | None = None,
        mobile: str | None = None,
        uid: str | None = None,
        limit: int = 100,
    ) -> Sequence[ReportHistory]:
        given = [
            (k, v) for k, v in (("sid", sid), ("mobile", mobile), ("uid", uid)) if v is not None
        ]
        if len(given) != 1:
            raise InputError("give exactly one of sid, mobile and uid")
        kind, value = given[0]
        owner = self._state(account).id if account is not None else None
        names = {state.id: state.account for state in self._by_id.values()}
        return await self._read(
            lambda: self._lookups.find_reports(names, owner, kind, value, limit)
        )

    # the second cursor

    async def pull_reports(self, account: str, limit: int, now: Milliseconds) -> bytes:
        def verb() -> bytes:
            state = self._state(account)
            first, end = state.pull_cursor, min(state.next_seq, state.pull_cursor + limit)
            if first == end:
                return b""
            state.pull_cursor = end
            self._dirty.add(state)
            return self._log.fragments(self._connection, state.id, first, end)

        return await self._commit.run(verb)

    # housekeeping

    async def sweep(
        self, now: Milliseconds, *, keep_from: Milliseconds, take_back: bool = True
    ) -> Swept:
        self._now = now
        if take_back and self._claims.expired(now):
            await self._commit.run(lambda: self._claims.interrupted(self._claims.expired(now), now))
        if await self._sealing.step(self._commit, self._by_id, now):
            return Swept(more=True)
        return await self._commit.run(
            lambda: self._retention.step(self._by_id, keep_from=keep_from, now=now),
            lambda _: self._retention.adopt(),
        )

    async def figures(self) -> StoreFigures:
        states = self._by_id.values()
        sizes = [Path(f"{self._path}{suffix}") for suffix in ("", "-wal", "-shm")]
        under_way = sum(len(state.under_way) for state in states)
        return StoreFigures(
            reports_stored=self._log.reports,
            reports_waiting=sum(
                state.backlog + sum(push.count for push in state.under_way.values())
                for state in states
            ),
            pushes_waiting=under_way - len(self._claims),
            pushes_sending=len(self._claims),
            bytes_on_disk=sum(path.stat().st_size for path in sizes if path.exists()),
        )
