"""How far a handler has come, and which reports it failed on: the rows behind ``handlers``."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from statuspush.core.lines import read_line
from statuspush.core.moment import Milliseconds


class Trouble(msgspec.Struct, frozen=True):
    """A report that a handler failed on."""

    id: int
    handler: str
    account: str
    sid: str
    report: bytes
    attempts: int
    due_at: Milliseconds | None
    """When it is tried again; None for a dead letter."""
    failed_at: Milliseconds
    error: str


class Failure(msgspec.Struct, frozen=True):
    """A handler's first failure on a report, or a further one (``trouble``)."""

    account: str
    sid: str
    report: bytes
    attempts: int
    due_at: Milliseconds | None
    failed_at: Milliseconds
    error: str
    trouble: int | None = None


class HandlerProgress(msgspec.Struct, frozen=True):
    """What is to be written about a handler, in one transaction."""

    upto: int | None
    """Everything up to this batch is handled; None if that has not changed."""
    partly: Mapping[int, bytes]
    """Batches after it -> one byte per report."""
    failures: Sequence[Failure]
    settled: Sequence[int]
    """Troubles that are over."""


_COLUMNS = "id, handler, account, sid, report, attempts, due_at, failed_at, error"


def probe(connection: sqlite3.Connection) -> None:
    """A write without effect, to see whether writing works."""
    connection.execute("INSERT INTO progress VALUES ('', 0)")
    connection.execute("DELETE FROM progress WHERE handler = ''")


def read_progress(connection: sqlite3.Connection, handler: str) -> tuple[int, dict[int, bytes]]:
    """How far a handler has come, and what it has done of the batches after that."""
    row = connection.execute("SELECT upto FROM progress WHERE handler = ?", (handler,)).fetchone()
    partly = connection.execute("SELECT batch, done FROM partly WHERE handler = ?", (handler,))
    return (row[0] if row else 0), dict(partly)


def write_progress(connection: sqlite3.Connection, handler: str, made: HandlerProgress) -> None:
    """Write what a handler has done since the last time."""
    if made.upto is not None:
        connection.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", (handler, made.upto))
        connection.execute(
            "DELETE FROM partly WHERE handler = ? AND batch <= ?", (handler, made.upto)
        )
    connection.executemany(
        "INSERT OR REPLACE INTO partly VALUES (?, ?, ?)",
        [(handler, batch, done) for batch, done in made.partly.items()],
    )
    connection.executemany("DELETE FROM troubles WHERE id = ?", [(each,) for each in made.settled])
    connection.executemany(
        "INSERT OR REPLACE INTO troubles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(f.trouble, handler, *msgspec.structs.astuple(f)[:-1]) for f in made.failures],
    )


def due_troubles(
    handler: str, now: Milliseconds, limit: int, connection: sqlite3.Connection
) -> tuple[list[Trouble], Milliseconds | None]:
    """What a handler is to retry now, and when the next retry after that is due."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM troubles WHERE handler = ? AND due_at <= ?"
        " ORDER BY due_at, id LIMIT ?",
        (handler, now, limit),
    ).fetchall()
    (later,) = connection.execute(
        "SELECT min(due_at) FROM troubles WHERE handler = ? AND due_at > ?", (handler, now)
    ).fetchone()
    return [Trouble(*row) for row in rows], later


def list_troubles(
    connection: sqlite3.Connection, *, dead: bool = True, sid: str | None = None, limit: int = 100
) -> list[Trouble]:
    """Dead letters, or with ``dead=False`` all troubles, the newest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM troubles WHERE (due_at IS NULL OR NOT :dead)"
        " AND (:sid IS NULL OR sid = :sid) ORDER BY id DESC LIMIT :limit",
        {"dead": dead, "sid": sid, "limit": limit},
    )
    return [Trouble(*row) for row in rows]


def find_reports(
    connection: sqlite3.Connection, keys: Sequence[str], value: str, limit: int
) -> Iterator[tuple[Milliseconds, str, dict[str, object]]]:
    """Arrival, account and fields of reports with this value under one of the keys, newest first.

    Looks through the whole inbox; meant for people.
    """
    # As JSON may spell it; what contains it by chance is compared below.
    spelled = json.dumps(value)[1:-1], msgspec.json.encode(value).decode()[1:-1]
    rows = connection.execute(
        "SELECT arrived_at, account, body FROM batches"
        " WHERE instr(body, CAST(? AS BLOB)) OR instr(body, CAST(? AS BLOB)) ORDER BY id DESC",
        spelled,
    )
    for arrived_at, account, body in rows:
        for fields in reversed([read_line(line) for line in body.split(b"\n")]):
            if any(fields.get(key) == value for key in keys):
                yield arrived_at, account, fields
                limit -= 1
                if not limit:
                    return


def replay(connection: sqlite3.Connection, now: Milliseconds, ids: Sequence[int] | None) -> int:
    """Have dead letters (without ``ids``, all) retried from the start; returns how many."""
    return _each_dead(connection, f"UPDATE troubles SET attempts = 0, due_at = {int(now)}", ids)


def purge(connection: sqlite3.Connection, ids: Sequence[int] | None) -> int:
    """Delete dead letters (without ``ids``, all); returns how many."""
    return _each_dead(connection, "DELETE FROM troubles", ids)


def _each_dead(connection: sqlite3.Connection, verb: str, ids: Sequence[int] | None) -> int:
    wanted = "" if ids is None else " AND id IN (SELECT value FROM json_each(?))"
    parameters = () if ids is None else (str(list(ids)),)
    return connection.execute(f"{verb} WHERE due_at IS NULL{wanted}", parameters).rowcount


def remove_batches(
    handlers: Sequence[str], before: Milliseconds, limit: int, connection: sqlite3.Connection
) -> int:
    """Remove the oldest batches that every handler is done with and that are old enough.

    Returns how many were removed, at most ``limit``; then more may be left.
    """
    done = [read_progress(connection, handler)[0] for handler in handlers]
    upto = min(done, default=(1 << 62))
    return connection.execute(
        "DELETE FROM batches WHERE id IN (SELECT id FROM batches WHERE id <= ?"
        " AND arrived_at < ? ORDER BY id LIMIT ?)",
        (upto, before, limit),
    ).rowcount
