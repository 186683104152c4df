"""What we chose, beside what we did not choose, in one run.

Each function yields (label, figure), ours first. Store layouts: reports a second, 1,000 a
commit over 1,000 accounts, durable. Threads: milliseconds for a commit of 1,000 rows. Encodings:
microseconds a report.
"""

import asyncio
import json
import random
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from urllib.parse import quote_from_bytes

import msgspec
import numpy as np
from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from statuspush.core.batch import make_batch
from statuspush.core.contract import Wire
from statuspush.core.fragment import json_lines
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.kinds.voice_status import Submission
from statuspush.core.wire import body
from statuspush.store.sqlite import SqliteStore

Figures = Iterator[tuple[str, float]]
_ACCOUNTS = 1000
_BATCH = 1000
_MEASURED = 100_000


def _submissions(first: int, count: int) -> list[Submission]:
    # sids as platforms make them: no order that an index could profit from
    rng = random.Random(first)
    return [
        Submission(
            account=f"customer-{(first + n) % _ACCOUNTS}",
            sid=f"{rng.getrandbits(124):031x}",
            user_receive_time="2026-03-04 05:06:07",
            duration=n % 90,
            mobile=f"+372{58000000 + n}" if n % 5 == 0 else str(15200000000 + n),
            report_status="FAIL" if n % 3 == 0 else "SUCCESS",
            error_msg="用户信号不佳、关机等" if n % 3 == 0 else None,
        )
        for n in range(count)
    ]


def _connect(path: Path, checkpoint_pages: int = 16_384) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA page_size = 8192")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}")
    return connection


def _rows(
    reports: list[Submission], seqs: dict[str, int]
) -> list[tuple[str, int, str, int, bytes]]:
    rows = []
    for report, fragment in zip(reports, VOICE_STATUS.fragments(reports), strict=True):
        seq = seqs[report.account] = seqs.get(report.account, 0) + 1
        rows.append((report.account, seq, report.sid, 1_700_000_000_000, fragment))
    return rows


def _one_row_a_report(folder: Path, schema: str, stored: int) -> float:
    connection = _connect(folder / "layout.db")
    connection.executescript(schema)
    seqs: dict[str, int] = {}
    insert = (
        "INSERT OR IGNORE INTO reports (account, seq, sid, accepted_at, fragment)"
        " VALUES (?, ?, ?, ?, ?)"
    )
    for start in range(0, stored, 50_000):
        connection.execute("BEGIN")
        connection.executemany(insert, _rows(_submissions(start, 50_000), seqs))
        connection.execute("COMMIT")
    spent = 0.0
    for start in range(0, _MEASURED, _BATCH):
        rows = _rows(_submissions(stored + start, _BATCH), seqs)
        began = time.perf_counter()
        connection.execute("BEGIN")
        connection.executemany(insert, rows)
        connection.execute("COMMIT")
        spent += time.perf_counter() - began
    connection.close()
    return _MEASURED / spent


async def _ours(folder: Path, stored: int) -> float:
    now = 1_700_000_000_000
    store = SqliteStore.open(folder / "ours.db", now)
    for n in range(_ACCOUNTS):
        await store.put_account(f"customer-{n}", "", b"", now)
    spent = 0.0
    for start in range(0, stored + _MEASURED, _BATCH):
        reports = _submissions(start, _BATCH)
        made = make_batch(reports, VOICE_STATUS)
        began = time.perf_counter()
        await store.append_reports([made], now)
        while (await store.sweep(now, keep_from=0)).more:
            pass
        if start >= stored:
            spent += time.perf_counter() - began
    await store.close()
    return _MEASURED / spent


_CLUSTERED = (
    "CREATE TABLE reports (account TEXT, seq INTEGER, sid TEXT, accepted_at INTEGER,"
    " fragment BLOB, PRIMARY KEY (account, seq)) WITHOUT ROWID;"
)
_APPENDED = (
    "CREATE TABLE reports (id INTEGER PRIMARY KEY, account TEXT, seq INTEGER, sid TEXT,"
    " accepted_at INTEGER, fragment BLOB);"
)
_UNIQUE_SID = "CREATE UNIQUE INDEX reports_sid ON reports (account, sid);"


def store_layouts(directory: Path, stored: int) -> Figures:
    """Reports a second with so many stored before; ours includes sorting the index behind it."""
    layouts: list[tuple[str, Callable[[Path], float]]] = [
        ("ours: chunks, runs sorted behind", lambda f: asyncio.run(_ours(f, stored))),
        (
            "textbook: clustered (account, seq) + unique (account, sid)",
            lambda f: _one_row_a_report(f, _CLUSTERED + _UNIQUE_SID, stored),
        ),
        (
            "appended rows + unique (account, sid)",
            lambda f: _one_row_a_report(f, _APPENDED + _UNIQUE_SID, stored),
        ),
        (
            "appended rows, duplicates not noticed, no look-up",
            lambda f: _one_row_a_report(f, _APPENDED, stored),
        ),
    ]
    for label, measure in layouts:
        folder = Path(tempfile.mkdtemp(prefix="statuspush-layout-", dir=directory))
        try:
            yield label, measure(folder)
        finally:
            shutil.rmtree(folder)


def statement_thread(directory: Path, _stored: int) -> Figures:
    """Milliseconds from BEGIN to the end of COMMIT of 1,000 rows, the main thread being busy."""
    folder = Path(tempfile.mkdtemp(prefix="statuspush-thread-", dir=directory))
    rows = [(n, n % _ACCOUNTS, n, 1, 0, b"x" * 180) for n in range(1000)]
    groups = 10

    def open_table(name: str) -> sqlite3.Connection:
        connection = sqlite3.connect(folder / name, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "CREATE TABLE chunks (id INTEGER PRIMARY KEY, a INTEGER, s INTEGER, n INTEGER,"
            " t INTEGER, body BLOB)"
        )
        return connection

    def statements(connection: sqlite3.Connection, group: int) -> None:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?)",
            [(group * 1000 + row[0], *row[1:]) for row in rows],
        )

    def busy_until(thread: threading.Thread) -> None:
        while thread.is_alive():
            json.loads('{"as": ["busy", "as", "an", "event", "loop"]}')

    def measured(in_thread: bool) -> float:
        connection = open_table(f"{in_thread}.db")

        def commit() -> None:
            connection.execute("COMMIT")

        def whole(group: int) -> None:
            statements(connection, group)
            commit()

        began = time.perf_counter()
        for group in range(groups):
            if in_thread:
                thread = threading.Thread(target=whole, args=(group,))
            else:
                statements(connection, group)
                thread = threading.Thread(target=commit)
            thread.start()
            busy_until(thread)
        seconds = time.perf_counter() - began
        connection.close()
        return seconds / groups * 1000

    try:
        yield "statements on the loop, COMMIT in a thread", measured(in_thread=False)
        yield "statements and COMMIT in a thread", measured(in_thread=True)
    finally:
        shutil.rmtree(folder)


_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def encodings(_directory: Path, _stored: int) -> Figures:
    """Microseconds a report for the robust body of 500 reports."""
    reports = _submissions(0, 500)
    held = b"\n".join(VOICE_STATUS.fragments(reports))
    joined = json_lines(held, VOICE_STATUS)
    table = np.zeros((256, 4), np.uint8)
    for byte in range(256):
        text = bytes([byte]) if byte in _UNRESERVED else b"%%%02X" % byte
        table[byte, : len(text)] = np.frombuffer(text, np.uint8)
    words = table.view(np.uint32).ravel()
    encoder = msgspec.json.Encoder()

    def by_table() -> bytes:
        text = b"[" + joined.replace(b"\n", b",") + b"]"
        return words[np.frombuffer(text, np.uint8)].tobytes().translate(None, b"\0")

    ready = [quote_from_bytes(fragment, safe="").encode() for fragment in joined.split(b"\n")]

    ways: list[tuple[str, Callable[[], object]]] = [
        (
            "ours: stored shortened, replace chain at send",
            lambda: body(held, Wire.ROBUST, VOICE_STATUS),
        ),
        ("stored as JSON, replace chain at send", lambda: body(joined, Wire.ROBUST, VOICE_STATUS)),
        ("stored percent-encoded, joined at send", lambda: b"%2C".join(ready)),
        ("stored as JSON, numpy table at send", by_table),
        ("stored as JSON, urllib quote at send", lambda: quote_from_bytes(joined, safe="")),
        (
            "from objects: msgspec + urllib quote",
            lambda: quote_from_bytes(encoder.encode(reports), safe=""),
        ),
    ]
    for label, way in ways:
        times = []
        for _ in range(30):
            began = time.perf_counter()
            way()
            times.append(time.perf_counter() - began)
        yield label, sorted(times)[15] / 500 * 1e6


def web_route(_directory: Path, _stored: int) -> Figures:
    """Microseconds a request of one report, through the application without a socket."""
    request = json.dumps({"account": "a", "sid": "s", "mobile": "15205201314"}).encode()

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        msgspec.json.decode(message["body"])
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b'{"accepted":1}'})

    framework = FastAPI()

    @framework.post("/v1/reports", status_code=202)
    async def route(request: Request) -> Response:
        msgspec.json.decode(await request.body())
        return Response(b'{"accepted":1}', status_code=202)

    async def measured(app: ASGIApp) -> float:
        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": request, "more_body": False}

        async def send(message: MutableMapping[str, object]) -> None:
            pass

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/reports",
            "raw_path": b"/v1/reports",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"content-type", b"application/json")],
        }
        count = 2000
        began = time.perf_counter()
        for _ in range(count):
            await app(dict(scope), receive, send)
        return (time.perf_counter() - began) / count * 1e6

    yield "ours: bare ASGI", asyncio.run(measured(bare))
    yield "FastAPI, raw body", asyncio.run(measured(framework))


ALL: dict[str, Callable[[Path, int], Figures]] = {
    "store-layouts": store_layouts,
    "statement-thread": statement_thread,
    "encodings": encodings,
    "web-route": web_route,
}
