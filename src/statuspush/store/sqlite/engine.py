"""The embedded engine: the store contract on one SQLite file, for one process."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import structlog

from statuspush.core.batch import Batch
from statuspush.core.errors import InputError
from statuspush.core.kinds import KINDS, VOICE_STATUS, Kind
from statuspush.core.lifecycle import State
from statuspush.core.moment import Milliseconds
from statuspush.core.push_settings import PushSettings
from statuspush.core.standing import trusted
from statuspush.core.words import Words
from statuspush.storage.checkpoint import Checkpoints
from statuspush.storage.file import FileLock, connect, opened
from statuspush.store import push_id
from statuspush.store.base import (
    Account,
    AccountFilter,
    AccountPage,
    Appended,
    ClaimedPush,
    PushDetail,
    PushPage,
    Recording,
    Redriven,
    ReportHistory,
    StoreFigures,
    StoreUnavailable,
    Swept,
    UnknownPush,
    Unsuited,
)
from statuspush.store.sqlite.append import Appends
from statuspush.store.sqlite.claims import Claims
from statuspush.store.sqlite.commit import GroupCommit
from statuspush.store.sqlite.directory import LOOKED_AT, Directory
from statuspush.store.sqlite.hot import AccountState, Totals
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.lookups import Reader
from statuspush.store.sqlite.outcomes import Outcomes
from statuspush.store.sqlite.overview import Overview
from statuspush.store.sqlite.progress import ProgressJournal
from statuspush.store.sqlite.push_index import PushIndex
from statuspush.store.sqlite.pushes import Pushes
from statuspush.store.sqlite.redrive import Place, Redrive
from statuspush.store.sqlite.retention import Retention
from statuspush.store.sqlite.runs import remake_filters
from statuspush.store.sqlite.schema import SCHEMA
from statuspush.store.sqlite.sealing import Sealing
from statuspush.store.sqlite.sizes import Sizes
from statuspush.store.sqlite.turns import Turns
from statuspush.telemetry import Telemetry

T = TypeVar("T")
_log = structlog.get_logger("store")


class SqliteStore:
    """See :class:`statuspush.store.contracts.Store` for what each verb promises.

    Made by :meth:`open`.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        *,
        lock: FileLock,
        telemetry: Telemetry,
        sizes: Sizes,
        kinds: Mapping[str, Kind[Any]],
        now: Milliseconds,
    ) -> None:
        self._path = path
        self._connection = connection
        self._lock = lock
        self._now = now
        self._totals = Totals()
        self._dirty: dict[AccountState, None] = {}
        self._turns = Turns()
        self._listeners: list[Callable[[], None]] = []
        self._log = ReportLog(connection, sizes)
        self._journal = ProgressJournal(connection, sizes.fold_bytes)
        self._appends = Appends(connection, self._log, self._totals)
        self._pushes = Pushes(connection, self._dirty, PushIndex(sizes))
        self._accounts = Directory(
            connection, self._journal, self._pushes, self._turns, self._totals, kinds=kinds
        )
        self._claims = Claims(connection, self._log, self._pushes, self._turns)
        self._outcomes = Outcomes(self._pushes, self._turns)
        self._redrive = Redrive(connection, self._log, self._pushes, self._turns, sizes)
        self._retention = Retention(connection, self._log, self._pushes, self._turns, sizes)
        self._sealing = Sealing(connection, self._log, self._pushes.index, self._dirty, sizes)
        self._connection.execute("BEGIN IMMEDIATE")
        remake_filters(connection, sizes.filter_rows)
        self._connection.execute("COMMIT")
        self._load()
        self._renew_trust()
        self._retention.look_at_the_clock(now)
        self._read_connection = connect(path, read_only=True)
        self._lookups = Reader(self._read_connection, self._log, self._pushes.index)
        self._overview = Overview(self._read_connection, self._log)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="lookup")
        self._checkpoints = Checkpoints(path, connection, sizes.wal_bytes)
        self._commit = GroupCommit(
            connection,
            telemetry,
            before_commit=self._write_rest,
            reload=self._load,
            between=self._checkpoints.between_groups,
            probe_seconds=sizes.probe_seconds,
        )

    # life

    @classmethod
    def open(
        cls,
        database: str | Path,
        now: Milliseconds,
        *,
        telemetry: Telemetry | None = None,
        sizes: Sizes | None = None,
        kinds: Mapping[str, Kind[Any]] = KINDS,
    ) -> "SqliteStore":
        """Open or create the file, migrate it, and read what must be in memory.

        To be called in a running event loop. Raises
        :class:`~statuspush.core.errors.StoreRefused`.

        :param kinds: the kinds that accounts may have, by name.
        """
        # For a symbolic link, SQLite puts the other files beside its target, not beside the link.
        path = Path(database).resolve()
        with opened(path, SCHEMA) as (lock, connection, _):
            return cls(
                path,
                connection,
                lock=lock,
                telemetry=telemetry or Telemetry(),
                sizes=sizes or Sizes(),
                kinds=kinds,
                now=now,
            )

    def _load(self) -> None:
        """Build the hot state from what is committed: at open, and after a roll-back."""
        totals = self._totals
        totals.reports = totals.pushes = totals.sending = 0
        states = self._accounts.load()
        self._dirty.clear()
        self._sealing.clear()
        self._log.load_runs()
        self._log.load_tails(self._accounts.by_id, self._now)
        self._turns.clear()
        self._pushes.load(states)
        for state in states:
            totals.reports += state.backlog
            self._turns.consider(state, self._now)

    def _renew_trust(self) -> None:
        """What a person said before the start holds until the outcome of a later claim."""
        # After the clock was set back, claims might get lower tokens than earlier ones.
        self._connection.execute("BEGIN IMMEDIATE")
        for state in self._accounts.by_id.values():
            if state.standing.trusted_since:
                self._pushes.stand(state, trusted(state.standing, 0))
        self._write_rest()
        self._connection.execute("COMMIT")

    def _write_rest(self) -> None:
        """Write what a group's verbs left in memory, before it is committed."""
        self._log.memory.write(self._connection)
        if self._dirty:
            self._journal.add([state.progress for state in self._dirty])
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

    def listen(self, wake: Callable[[], None]) -> None:
        self._listeners.append(wake)

    def _there_may_be_work(self) -> None:
        for wake in self._listeners:
            wake()

    async def _read(self, question: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, question)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot read the database: {error}") from error

    # accounts

    async def put_account(
        self,
        account: str,
        name: str,
        apikey_hash: bytes,
        now: Milliseconds,
        *,
        kind: str = VOICE_STATUS.name,
    ) -> bool:
        return await self._commit.run(
            lambda: self._accounts.put(account, name, apikey_hash, kind, now)
        )

    async def get_account(self, account: str) -> Account:
        (described,) = await self._described([self._accounts.find(account)])
        return described

    async def list_accounts(
        self, *, after: str | None = None, limit: int = 100, only: AccountFilter | None = None
    ) -> AccountPage:
        found, following = self._accounts.page(after, limit, only)
        return AccountPage(await self._described(found), following)

    async def _described(self, states: Sequence[AccountState]) -> list[Account]:
        if stale := self._overview.stale(states):
            await self._read(lambda: self._overview.refresh(stale))
        return [self._overview.account(state) for state in states]

    async def delete_account(self, account: str, *, force: bool, now: Milliseconds) -> None:
        await self._commit.run(lambda: self._accounts.delete(account, force=force))

    async def change_push(
        self,
        account: str,
        changes: Mapping[str, object],
        now: Milliseconds,
        *,
        revision: int | None = None,
    ) -> tuple[PushSettings, int]:
        result = await self._commit.run(
            lambda: self._accounts.change(account, changes, now, revision)
        )
        self._there_may_be_work()
        return result

    async def get_secret(self, name: str) -> bytes | None:
        def question() -> bytes | None:
            row = self._read_connection.execute(
                "SELECT value FROM secrets WHERE name = ?", (name,)
            ).fetchone()
            return None if row is None else bytes(row[0])

        return await self._read(question)

    async def put_secret(self, name: str, value: bytes) -> bytes:
        def verb() -> bytes:
            self._connection.execute("INSERT OR IGNORE INTO secrets VALUES (?, ?)", (name, value))
            (stored,) = self._connection.execute(
                "SELECT value FROM secrets WHERE name = ?", (name,)
            ).fetchone()
            return bytes(stored)

        return await self._commit.run(verb)

    # intake

    async def append_reports(
        self, batches: Sequence[Batch], now: Milliseconds
    ) -> Sequence[Appended | Unsuited]:
        result = await self._commit.run(lambda: self._append(batches, now))
        self._there_may_be_work()
        return result

    def _append(self, batches: Sequence[Batch], now: Milliseconds) -> list[Appended | Unsuited]:
        self._now = now
        gained, appended = self._appends.append(self._accounts.by_name, batches, now)
        for state in gained:
            if not state.queued:
                self._turns.consider(state, now)
        return appended

    # dispatching

    async def claim_pushes(
        self, now: Milliseconds, *, limit: int, suspect_limit: int, lease_ms: int, owner: str
    ) -> Sequence[ClaimedPush]:
        self._now = now
        return await self._commit.run(
            lambda: self._claims.claim(
                now, limit=limit, suspect_limit=suspect_limit, lease_ms=lease_ms, owner=owner
            )
        )

    def may_claim(self, now: Milliseconds, *, limit: int, suspect_limit: int) -> bool:
        return self._turns.work(now, limit=limit, suspect_limit=suspect_limit)

    async def record_outcomes(
        self, recordings: Sequence[Recording], now: Milliseconds
    ) -> Sequence[bool]:
        written = await self._commit.run(lambda: self._outcomes.record(recordings, now))
        self._there_may_be_work()
        return written

    async def release_claims(self, pushes: Sequence[ClaimedPush], now: Milliseconds) -> None:
        await self._commit.run(lambda: self._claims.release(pushes, now))

    async def extend_claims(self, owner: str, until: Milliseconds) -> Sequence[int]:
        return await self._commit.run(lambda: self._claims.extend(owner, until))

    async def take_back_claims(self, now: Milliseconds, *, owner: str | None = None) -> int:
        if owner is None and not self._claims.any_over(now):
            return 0
        taken = await self._commit.run(lambda: self._claims.take_back(now, owner))
        if taken:
            self._there_may_be_work()
        return taken

    async def hasten_retries(self, interval_ms: int | None, now: Milliseconds) -> None:
        await self._commit.run(
            lambda: self._claims.hasten(self._accounts.by_id.values(), interval_ms, now)
        )

    def next_due(self) -> Milliseconds | None:
        return self._turns.next_due()

    # a person asks

    async def redrive_push(self, push: str, now: Milliseconds) -> Redriven:
        return await self._in_slices(
            lambda place: self._redrive.push(self._accounts.by_id, push, place, now)
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
                self._accounts.find(account),
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
        """One slice per commit, so that a redrive of a million pushes holds nobody up."""
        redriven, place = await self._commit.run(partial(work, None))
        self._there_may_be_work()
        while place is not None:
            made, place = await self._commit.run(partial(work, place))
            redriven = redriven.plus(made)
            self._there_may_be_work()
        return redriven

    # looking things up

    async def list_pushes(
        self, account: str, *, state: State | None, cursor: str | None, limit: int
    ) -> PushPage:
        owner = self._accounts.find(account)
        before = None if cursor is None else push_id.read(cursor)
        if cursor is not None and before is None:
            raise InputError(
                Words(
                    "the cursor is not one that a page of pushes gave", "游标不是推送列表页给出的"
                )
            )
        return await self._read(lambda: self._lookups.list_pushes(owner, state, before, limit))

    async def get_push(self, push: str) -> PushDetail:
        number = push_id.read(push)
        accounts = self._accounts.by_id
        detail = (
            await self._read(lambda: self._lookups.get_push(number, accounts))
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
        limit: int = 100,
        **key: str | None,
    ) -> Sequence[ReportHistory]:
        given = [(name, value) for name, value in key.items() if value is not None]
        if len(given) != 1:
            raise InputError(Words("give exactly one key to search by", "查询条件须且只能给出一个"))
        ((name, value),) = given
        owner = self._accounts.find(account) if account is not None else None
        kinds = self._accounts.kinds.values() if owner is None else (owner.kind,)
        places = {kind.search.index(name) for kind in kinds if name in kind.search}
        accounts = self._accounts.by_id if owner is None else {owner.id: owner}
        return await self._read(
            lambda: self._lookups.find_reports(accounts, places, name, value, limit)
        )

    # the second cursor

    async def pull_reports(self, account: str, limit: int, now: Milliseconds) -> bytes:
        def verb() -> bytes:
            state = self._accounts.find(account)
            progress = state.progress
            first, end = progress.pull_cursor, min(progress.next_seq, progress.pull_cursor + limit)
            if first == end:
                return b""
            progress.pull_cursor = end
            self._pushes.touched(state)
            return self._log.fragments(self._connection, state.id, first, end)

        return await self._commit.run(verb)

    # upkeep

    async def sweep(self, now: Milliseconds, *, keep_from: Milliseconds) -> Swept:
        self._now = now
        # First: under a steady load there is always something to sort.
        if self._journal.to_fold:
            await self._commit.run(lambda: self._journal.fold(self._accounts.progress))
            return Swept(more=True)
        if await self._sealing.step(self._commit, self._accounts.by_id, now):
            return Swept(more=True)
        swept = await self._commit.run(
            lambda: self._retention.step(self._accounts.by_id, keep_from=keep_from, now=now),
            lambda _: self._retention.adopt(),
        )
        if swept.reports_expired:
            self._there_may_be_work()
        return swept

    async def figures(self) -> StoreFigures:
        sizes = [Path(f"{self._path}{suffix}") for suffix in ("", "-wal", "-shm")]
        totals = self._totals
        return StoreFigures(
            reports_stored=self._log.reports,
            reports_waiting=totals.reports,
            pushes_waiting=totals.pushes - totals.sending,
            pushes_sending=totals.sending,
            bytes_on_disk=sum(path.stat().st_size for path in sizes if path.exists()),
        )

    async def oldest_waiting_at(self) -> Milliseconds | None:
        if not self._totals.reports:
            return None
        found: list[Milliseconds] = []
        states = iter(list(self._accounts.by_id.values()))
        while some := list(islice(states, LOOKED_AT)):
            waiting = [state for state in some if state.waiting_reports]
            if stale := self._overview.stale(waiting):
                await self._read(partial(self._overview.refresh, stale))
            found += [at for at in map(self._overview.oldest_at, waiting) if at is not None]
            await asyncio.sleep(0)
        return min(found, default=None)
