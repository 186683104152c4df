"""Accounts on disk, with their settings and pushes under way."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from statuspush.core.errors import StoreRefused
from statuspush.core.kinds import Kind
from statuspush.core.lifecycle import State
from statuspush.core.moment import Milliseconds
from statuspush.core.push import Push
from statuspush.core.push_settings import PushSettings, as_document, from_document
from statuspush.store.sqlite.hot import AccountState, Totals
from statuspush.store.sqlite.progress import Progress


def insert_account(
    connection: sqlite3.Connection,
    account: str,
    name: str,
    apikey_hash: bytes,
    now: Milliseconds,
    *,
    kind: Kind[Any],
) -> tuple[int, PushSettings]:
    """Write a new account with default settings; returns its number and the settings."""
    settings = PushSettings()
    cursor = connection.execute(
        "INSERT INTO accounts (account, name, apikey_hash, created_at, kind, settings)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (account, name, apikey_hash, now, kind.name, json.dumps(as_document(settings))),
    )
    return int(cursor.lastrowid or 0), settings


def write_settings(connection: sqlite3.Connection, state: AccountState) -> None:
    """Write the settings of an account as they are in ``state``."""
    connection.execute(
        "UPDATE accounts SET settings = ?, revision = ? WHERE id = ?",
        (json.dumps(as_document(state.settings)), state.revision, state.id),
    )


def load_accounts(
    connection: sqlite3.Connection,
    progress: Mapping[int, Progress],
    totals: Totals,
    kinds: Mapping[str, Kind[Any]],
) -> list[AccountState]:
    """All accounts with their pushes under way.

    Raises :class:`StoreRefused` if an account's kind is not among ``kinds``.
    """
    states = {
        row[0]: AccountState(
            id=row[0],
            account=row[1],
            name=row[2],
            created_at=row[3],
            kind=_kind(row[6], row[1], kinds),
            settings=from_document(msgspec.json.decode(row[4])),
            progress=progress[row[0]],
            totals=totals,
            revision=row[5],
        )
        for row in connection.execute(
            "SELECT id, account, name, created_at, settings, revision, kind FROM accounts"
        )
    }
    for push in load_under_way(connection):
        owner = states.get(push.account)
        if owner is None:
            continue
        # The claim that cut this push did not write the account's progress.
        owner.progress.cursor = max(owner.progress.cursor, push.end_seq)
        if push.state is State.WAITING:
            owner.put(push)
        else:
            owner.adopt(push)
    return list(states.values())


def _kind(name: str, account: str, kinds: Mapping[str, Kind[Any]]) -> Kind[Any]:
    kind = kinds.get(name)
    if kind is None:
        raise StoreRefused(
            f"account {account} takes reports of kind {name}, which this version does not know"
        )
    return kind


def load_under_way(connection: sqlite3.Connection) -> Iterable[Push]:
    """All pushes that wait or are being sent."""
    return (
        Push(
            id=row[0],
            account=row[1],
            first_seq=row[2],
            count=row[3],
            accepted_at=row[4],
            due_at=row[5],
            state=State(row[6]),
            attempts=row[7],
            failures=row[8],
            redrive_of=row[9],
            token=row[10],
            claimed_until=row[11] or 0,
            owner=row[12] or "",
        )
        for row in connection.execute(
            "SELECT id, account, first_seq, count, accepted_at, coalesce(due_at, 0), state,"
            " attempts, failures, redrive_of, token, claimed_until, owner"
            " FROM pushes INDEXED BY pushes_under_way WHERE state IN ('waiting', 'sending')"
            " ORDER BY id"
        )
    )
