"""Accounts on disk: their settings, and their narrow row of progress."""

import json
import sqlite3
from collections.abc import Iterable

from statuspush.clock import Milliseconds
from statuspush.core.contract import Mode, Wire
from statuspush.core.lifecycle import State
from statuspush.core.outcome import Outcome, Verdict
from statuspush.core.settings import PushSettings
from statuspush.store.sqlite.hot import AccountState, PushUnderWay, Tally

_SETTINGS = (
    "mode, url, wire, max_reports, max_bytes, max_in_flight, connect_seconds, timeout_seconds,"
    " secret, headers, learned_max_bytes"
)


def _settings_row(
    settings: PushSettings, learned_max_bytes: int | None = None
) -> tuple[object, ...]:
    return (
        settings.mode,
        settings.url,
        settings.wire,
        settings.max_reports,
        settings.max_bytes,
        settings.max_in_flight,
        settings.connect_seconds,
        settings.timeout_seconds,
        settings.secret,
        json.dumps(settings.headers),
        learned_max_bytes,
    )


def insert_account(
    connection: sqlite3.Connection,
    account: str,
    name: str,
    apikey_hash: bytes,
    now: Milliseconds,
) -> AccountState:
    """Write a new account with default settings."""
    settings = PushSettings()
    cursor = connection.execute(
        f"INSERT INTO accounts (account, name, apikey_hash, created_at, {_SETTINGS})"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (account, name, apikey_hash, now, *_settings_row(settings)),
    )
    state = AccountState(int(cursor.lastrowid or 0), account, name, now, settings)
    write_progress(connection, [state])
    return state


def write_settings(connection: sqlite3.Connection, state: AccountState) -> None:
    """Write the settings of an account as they are in ``state``."""
    connection.execute(
        f"UPDATE accounts SET ({_SETTINGS}) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?",
        (*_settings_row(state.settings, state.learned_max_bytes), state.id),
    )


def write_progress(connection: sqlite3.Connection, states: Iterable[AccountState]) -> None:
    """Write the progress rows of accounts that changed in this transaction."""
    connection.executemany(
        "INSERT OR REPLACE INTO progress"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                state.id,
                state.next_seq,
                state.cursor,
                state.pull_cursor,
                state.tallies[State.DELIVERED].pushes,
                state.tallies[State.EXHAUSTED].pushes,
                state.tallies[State.CANCELLED].pushes,
                state.tallies[State.DELIVERED].reports,
                state.tallies[State.EXHAUSTED].reports,
                state.tallies[State.CANCELLED].reports,
                state.expired,
                state.failures,
                state.slow,
                verdict and verdict.outcome,
                state.last_attempt_at,
                state.last_delivered_at,
                verdict and verdict.http_status,
                verdict.answer if verdict else b"",
                verdict.detail if verdict else "",
                state.trusted_since,
            )
            for state in states
            for verdict in (state.last_verdict,)
        ],
    )


def load_accounts(connection: sqlite3.Connection) -> list[AccountState]:
    """All accounts with their progress and their pushes under way."""
    states: dict[int, AccountState] = {}
    for row in connection.execute(
        f"SELECT a.id, a.account, a.name, a.created_at, {_SETTINGS}, p.*"
        " FROM accounts AS a JOIN progress AS p ON p.account = a.id"
    ):
        state = AccountState(
            id=row[0],
            account=row[1],
            name=row[2],
            created_at=row[3],
            settings=PushSettings(
                mode=Mode(row[4]),
                url=row[5],
                wire=Wire(row[6]),
                max_reports=row[7],
                max_bytes=row[8],
                max_in_flight=row[9],
                connect_seconds=row[10],
                timeout_seconds=row[11],
                secret=row[12],
                headers=tuple((name, value) for name, value in json.loads(row[13])),
            ),
            learned_max_bytes=row[14],
        )
        (
            _,
            state.next_seq,
            state.cursor,
            state.pull_cursor,
            *tallies,
            state.expired,
            state.failures,
            slow,
            outcome,
            state.last_attempt_at,
            state.last_delivered_at,
            http_status,
            answer,
            detail,
            state.trusted_since,
        ) = row[15:]
        state.slow = bool(slow)
        if outcome is not None:
            state.last_verdict = Verdict(Outcome(outcome), http_status, answer, detail)
        for index, final in enumerate((State.DELIVERED, State.EXHAUSTED, State.CANCELLED)):
            state.tallies[final] = Tally(tallies[index], tallies[index + 3])
        states[state.id] = state
    for push in load_under_way(connection):
        owner = states.get(push.account)
        if owner is None:
            continue
        if push.token is None:
            owner.put(push)
        else:
            owner.under_way[push.id] = push
            owner.in_flight += 1
        # A claim that cut this push did not write the account's progress.
        owner.cursor = max(owner.cursor, push.end_seq)
    return list(states.values())


def load_under_way(connection: sqlite3.Connection) -> list[PushUnderWay]:
    """All pushes that wait or are being sent."""
    return [
        PushUnderWay(
            id=row[0],
            account=row[1],
            first_seq=row[2],
            count=row[3],
            attempts=row[4],
            failures=row[5],
            accepted_at=row[6],
            due_at=row[7],
            redrive_of=row[8],
            token=row[9],
            claimed_until=row[10] or 0,
        )
        for row in connection.execute(
            "SELECT id, account, first_seq, count, attempts, failures, accepted_at,"
            " coalesce(due_at, 0), redrive_of, token, claimed_until"
            " FROM pushes INDEXED BY pushes_under_way WHERE state IN ('waiting', 'sending')"
            " ORDER BY id"
        )
    ]
