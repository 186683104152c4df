"""The receiver beside one written by hand: pushes acknowledged, durable, one process each.

The client is bare asyncio on the other core and keeps its connections; bodies are made before the
clock runs. A push counts when it was answered ``SUCCESS``; at the end the receiver must have
stored every report of them.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import uvloop
from rich.table import Table

from benchmarks.baselines import processes, venvs
from benchmarks.benchmark import Benchmark, Run, Setup, of, percentiles, rows_of_medians
from statuspush.bench import trial
from statuspush.bench.load_process import prepared
from statuspush.bench.reports import Plan
from statuspush.bench.rig import running
from statuspush.core.contract import Wire
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.kinds.received import PLATFORM_ZONE
from statuspush.core.report import read_submissions
from statuspush.core.wire import body
from statuspush.launch import START_SECONDS, ListeningProcess
from statuspush.receiver.inbox import Inbox

OURS, BY_HAND = "statuspush receive", "by hand"
_LARGE_PUSHES, _SINGLE_PUSHES = 400, 30_000
_CONNECTIONS = {500: 8, 1: 64}
_RATE, _SECONDS = 1000, 8.0
WINDOW = 10_000_000
_PROGRAMS = Path(__file__).parent / "baselines" / "programs"


def measure(setup: Setup) -> Iterator[Run]:
    """Works and receivers in turn."""
    filled = Path(tempfile.mkdtemp(prefix="statuspush-inbox-", dir=setup.directory))
    try:
        window = setup.scaled(WINDOW)
        setup.tell(f"receiver: an inbox of {window:,}")
        _fill(filled, window)
        for turn in range(setup.runs):
            for name, start in RECEIVERS.items():
                # By hand it is slow: less of it takes as long.
                share = 1.0 if name == OURS else 0.1
                for size, pushes in ((500, _LARGE_PUSHES), (1, _SINGLE_PUSHES)):
                    count = setup.scaled(round(pushes * share), least=20)
                    setup.tell(f"receiver: {name}, {size} a push, run {turn + 1}")
                    yield {"round": turn, **_flood(setup, name, start, size, count)}
            setup.tell(f"receiver: {window:,} in the window, run {turn + 1}")
            count = setup.scaled(_LARGE_PUSHES, least=20)
            held = _flood(setup, OURS, _ours, 500, count, filled)
            yield {"round": turn, **held, "name": "window"}
            setup.tell(f"receiver: behind our sender, run {turn + 1}")
            yield {"round": turn, **_chain(setup, _ours)}
            setup.tell(f"receiver: 1,000 a second, run {turn + 1}")
            yield {"round": turn, **_steady(setup, _ours)}
    finally:
        shutil.rmtree(filled)


def _fill(folder: Path, reports: int) -> None:
    """An inbox in which so many have arrived, all of them handled."""
    inbox = Inbox.open(folder / "inbox.db", VOICE_STATUS)
    now = time.time_ns() // 1_000_000
    for first in range(0, reports, 5000):
        sids = [f"old{number:029d}" for number in range(first, min(reports, first + 5000))]
        lines = b"\n".join(b'{"sid":"%s"}' % sid.encode() for sid in sids)
        stored = inbox.put("", sids, lines, now)
        if first % 50_000 == 0:
            stored.result()
    stored.result()
    last = inbox.run(lambda c: c.execute("SELECT max(id) FROM batches").fetchone()[0]).result()
    handled = "INSERT INTO progress VALUES ('to-0-stdout', ?)"
    inbox.run(lambda c: c.execute(handled, (last,)).rowcount).result()
    inbox.close()


Start = Callable[[Path], contextlib.AbstractContextManager[int]]
"""Starts a receiver in a directory; gives its port."""


@contextlib.contextmanager
def _ours(folder: Path) -> Iterator[int]:
    receiver = ListeningProcess(folder, ["receive"], log="log", out="out")
    try:
        yield receiver.start().port
    finally:
        if receiver.running:
            receiver.kill()


@contextlib.contextmanager
def _by_hand(folder: Path) -> Iterator[int]:
    python = venvs.prepared("byhand", _PROGRAMS / "byhand-requirements.txt", venvs.DEFAULT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command: list[str | Path] = [python / "python", _PROGRAMS / "byhand_receiver.py", str(port)]
    with processes.running("by-hand", command, logs=folder, cwd=folder) as program:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            program.check()
            if time.monotonic() > deadline:
                raise RuntimeError("the receiver by hand does not listen")
            time.sleep(0.02)
        yield port


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


RECEIVERS: dict[str, Start] = {OURS: _ours, BY_HAND: _by_hand}


@contextlib.contextmanager
def _receiver(setup: Setup, start: Start, content: Path | None) -> Iterator[tuple[int, Path]]:
    """A receiver that listens, in a separate directory; its port and directory."""
    folder = Path(tempfile.mkdtemp(prefix="statuspush-receiver-", dir=setup.directory))
    try:
        if content is not None:
            shutil.copytree(content, folder, dirs_exist_ok=True)
            os.sync()  # or the first commits would wait for the copy
        with start(folder) as port:
            yield port, folder
    finally:
        shutil.rmtree(folder)


def _requests(size: int, count: int) -> list[bytes]:
    plan = Plan(["customer-0000"], size, "new")
    made = []
    for push in range(count):
        numbers = range(push * size, (push + 1) * size)
        text = f"[{','.join(plan.report(n) for n in numbers)}]".encode()
        reports = read_submissions(text, VOICE_STATUS, ndjson=False, tz=PLATFORM_ZONE)
        content = body(b"\n".join(VOICE_STATUS.fragments(reports)), Wire.ROBUST, VOICE_STATUS)
        head = (
            "POST /voice HTTP/1.1\r\nHost: receiver\r\n"
            "Content-Type: application/x-www-form-urlencoded;charset=utf-8;\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        made.append(head.encode() + content)
    return made


def _flood(
    setup: Setup,
    name: str,
    start: Start,
    size: int,
    count: int,
    content: Path | None = None,
) -> Run:
    """As fast as pushes are acknowledged."""
    requests = _requests(size, count)
    with _receiver(setup, start, content) as (port, folder):
        began = time.perf_counter()
        waits, good = uvloop.run(_send(port, requests, _CONNECTIONS[size], None))
        took = time.perf_counter() - began
        stored = _stored(folder)
    return {
        "name": name,
        "size": size,
        "pushes_per_second": count / took,
        "reports_per_second": count * size / took,
        "p99_ms": percentiles(waits, 0.99)[0] * 1000,
        "good": good and stored >= count * size,
    }


def _steady(setup: Setup, start: Start) -> Run:
    """At a steady rate."""
    requests = _requests(1, round(_RATE * setup.seconds(_SECONDS)))
    with _receiver(setup, start, None) as (port, folder):
        waits, good = uvloop.run(_send(port, requests, _CONNECTIONS[1], _RATE))
        stored = _stored(folder)
    p50, p99 = percentiles(waits, 0.5, 0.99)
    return {
        "name": "steady",
        "p50_ms": p50 * 1000,
        "p99_ms": p99 * 1000,
        "good": good and stored == len(requests),
    }


def _chain(setup: Setup, start: Start) -> Run:
    """Submitted to our sender, from 10 large accounts, and pushed to our receiver."""
    work = replace(trial.LARGE, seconds=setup.seconds(_SECONDS))
    folder = Path(tempfile.mkdtemp(prefix="statuspush-chain-", dir=setup.directory))
    try:
        with (
            _receiver(setup, start, None) as (port, received),
            running(folder, work.names) as rig,
            prepared(trial.order_of(work, rig.port, "chain"), folder) as submit,
        ):
            push = {"url": f"http://127.0.0.1:{port}/voice"}
            for account in work.names:
                rig.api("PATCH", f"/v1/accounts/{account}/push", push)
            before = rig.metrics()
            began = time.perf_counter()
            reports = submit().requests * work.per_request
            trial.drain(rig, before, reports)
            took = time.perf_counter() - began
            stored = _stored(received)
    finally:
        shutil.rmtree(folder)
    return {"name": "chain", "reports_per_second": reports / took, "good": stored == reports}


async def _send(
    port: int, requests: list[bytes], connections: int, rate: float | None
) -> tuple[list[float], bool]:
    """Seconds from each request to its answer, and whether all were acknowledged."""
    waits: list[float] = []
    good = True
    pending = iter(enumerate(requests))
    began = time.perf_counter()

    async def connection() -> None:
        nonlocal good
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, request in pending:
            due = time.perf_counter()
            if rate is not None:
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            answer = await reader.readexactly(length)
            waits.append(time.perf_counter() - due)
            good = good and head.startswith(b"HTTP/1.1 200") and answer == b"SUCCESS"
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    return waits, good


def _stored(folder: Path) -> int:
    database, count = folder / "inbox.db", "SELECT sum(reports) FROM batches"
    if not database.exists():
        database, count = folder / "received.db", "SELECT count(*) FROM voice_status"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(count).fetchone()[0])


_ROWS = (
    ("pushes a second", "pushes_per_second", ",.0f"),
    ("reports a second", "reports_per_second", ",.0f"),
    ("answer p99, ms", "p99_ms", ".1f"),
)


def tables(runs: Sequence[Run]) -> Iterator[Table]:
    """For people."""
    for size in (500, 1):
        groups = {name: of(runs, name=name, size=size) for name in (OURS, BY_HAND, "window")}
        yield rows_of_medians(f"{size} a push", {k: v for k, v in groups.items() if v}, _ROWS)
    chain = of(runs, name="chain")
    yield rows_of_medians("sender to receiver, both ours, both durable", {OURS: chain}, _ROWS[1:2])
    steady = of(runs, name="steady")
    rows = (("answer p50, ms", "p50_ms", ".2f"), ("answer p99, ms", "p99_ms", ".2f"))
    yield rows_of_medians("1,000 pushes a second, 1 report each", {OURS: steady}, rows)


BENCHMARK = Benchmark("receiver", "The receiver, beside one written by hand.", measure, tables)
