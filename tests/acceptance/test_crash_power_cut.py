"""Fault 4: the power is cut: what was acknowledged was on disk, whatever the disk had cached.

A library under the service records each write, truncation, creation, removal and fsync of the
database's files. From that record the files are built as a disk may hold them after a power cut
at any point: everything before the last fsync of a file, and of what came later nothing, all, or
any part, torn within a write. Then the store is opened on them, and everything that had been
acknowledged up to that point must be there.
"""

import asyncio
import http.client
import json
import random
import sqlite3
import struct
import time
from collections import defaultdict
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import pytest
from tests.acceptance.harness import Submitters, build_shim, report, reports, stage
from tests.scaffolding import wait_for

from statuspush.core.batch import make_batch
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.report import read_submissions
from statuspush.store.sqlite import SqliteStore

_HEAD = struct.Struct("=cHQQ")
_SECTOR = 512
_LATEST = 4000
ACCOUNTS = ("a", "b", "failing")


@dataclass
class Operation:
    """What was done to a file; ``end`` is where its entry ends in the record."""

    kind: str
    path: str
    offset: int
    data: bytes
    end: int


def read_record(path):
    """All operations in order; a last entry cut off by a kill is left out."""
    record = path.read_bytes()
    at = 0
    while at + _HEAD.size <= len(record):
        kind, path_length, offset, length = _HEAD.unpack_from(record, at)
        at += _HEAD.size
        name = record[at : at + path_length].decode()
        at += path_length
        data = record[at : at + length]
        at += length
        if at > len(record):
            return
        if not name.endswith(" (deleted)"):
            yield Operation(kind.decode(), name, offset, data, at)


@dataclass
class File:
    """What a disk holds of a file for certain, and what may be in its cache only."""

    certain: bytearray = field(default_factory=bytearray)
    pending: list[Operation] = field(default_factory=list)
    syncing: list[int] = field(default_factory=list)
    """For each fsync under way: how many of the pending operations came before it."""

    def synced(self):
        count = self.syncing.pop(0)  # the earliest, if several are under way: the least is certain
        for operation in self.pending[:count]:
            _apply(self.certain, operation)
        del self.pending[:count]
        self.syncing = [max(0, later - count) for later in self.syncing]

    def sync_failed(self):
        # The kernel has given these writes up and counts their pages as clean: no later fsync
        # writes them, though the process still reads them.
        count = self.syncing.pop(0)
        del self.pending[:count]
        self.syncing = [max(0, later - count) for later in self.syncing]

    def after_cut(self, chance, how):
        """What may be found afterwards."""
        found = bytearray(self.certain)
        for operation in self.pending:
            if how == "all" or (how == "part" and chance.random() < 0.5):
                _apply(found, operation)
            elif how == "torn" and operation.kind == "W":
                for start in range(0, len(operation.data), _SECTOR):
                    if chance.random() < 0.5:
                        part = operation.data[start : start + _SECTOR]
                        _apply(found, Operation("W", "", operation.offset + start, part, 0))
        return found


def _apply(content, operation):
    if operation.kind == "T":
        del content[operation.offset :]
        content.extend(bytes(operation.offset - len(content)))
    else:
        content.extend(bytes(max(0, operation.offset - len(content))))
        content[operation.offset : operation.offset + len(operation.data)] = operation.data


class Disk:
    """Replays a record and knows at each point what a power cut may leave."""

    def __init__(self):
        self.entries = {}
        """The directory as it certainly is: path -> file."""
        self.pending = []
        """Changes of the directory in its cache: (path, file or None)."""
        self.syncing = []
        self.now = {}

    def do(self, operation):
        path = operation.path
        match operation.kind:
            case "C":
                self.now[path] = File()
                self.pending.append((path, self.now[path]))
            case "U":
                self.now.pop(path, None)
                self.pending.append((path, None))
            case "W" | "T":
                self.now[path].pending.append(operation)
            case "S":
                self.now[path].syncing.append(len(self.now[path].pending))
            case "s":
                self.now[path].synced()
            case "e":
                self.now[path].sync_failed()
            case "D":
                self.syncing.append(len(self.pending))
            case "d":
                count = self.syncing.pop(0)
                _enter(self.entries, self.pending[:count])
                del self.pending[:count]
                self.syncing = [max(0, later - count) for later in self.syncing]
            case "f":
                self.syncing.pop(0)
            case "O":  # a process starts; what its predecessor was waiting for never ended
                self.syncing.clear()
                for file in self.now.values():
                    file.syncing.clear()

    def after_cut(self, chance, how):
        """Path -> content as it may be found."""
        entries = dict(self.entries)
        kept = {"none": 0, "all": len(self.pending)}.get(how)
        if kept is None:
            kept = chance.randint(0, len(self.pending))
        _enter(entries, self.pending[:kept])
        return {path: file.after_cut(chance, how) for path, file in entries.items()}


def _enter(entries, changes):
    for path, file in changes:
        if file is None:
            entries.pop(path, None)
        else:
            entries[path] = file


def record_run(directory, *, seconds, restarts, large=0, fsync_fails=False):
    """Run the service under load with everything recorded; returns the submitters' journal.

    With ``fsync_fails`` it does before each restart, which is a kill -9 then.
    """
    directory.mkdir(parents=True, exist_ok=True)
    record = directory / "operations"
    failing = directory / "fsync-fails"
    environment = {
        "SHIM_EIO": str(failing),
        "LD_PRELOAD": str(build_shim(directory)),
        "SHIM_DATABASE": str(directory / "statuspush.db"),
        "SHIM_RECORD": str(record),
    }
    with stage(directory, ACCOUNTS, environment=environment, retry_interval_seconds="0.3") as (
        service,
        customer,
    ):
        customer.behave("failing", fails=0.5)
        load = Submitters(
            service,
            ACCOUNTS,
            directory / "accepted.journal",
            threads=2,
            batch=(1, large or 60),
            mark=lambda: record.stat().st_size,
        ).start()
        for restart in range(restarts):
            time.sleep(seconds / (restarts + 1))
            if fsync_fails:
                failing.touch()
                wait_for("it has noticed", lambda n=restart: len(service.log("is broken")) > n)
                failing.unlink()
            if restart % 2 or fsync_fails:
                service.kill()
            else:
                service.terminate()
            service.start()
        time.sleep(seconds / (restarts + 1))
        load.stop()
        service.kill()
    return record, load


def cut_loop(directory, *, cuts, seconds, restarts, large=0, fsync_fails=False, seed=4):
    """Cut the power at so many points of a recorded run, and look what is there."""
    chance = random.Random(seed)
    record, load = record_run(
        directory, seconds=seconds, restarts=restarts, large=large, fsync_fails=fsync_fails
    )
    operations = list(read_record(record))
    ends = [i for i, operation in enumerate(operations) if operation.kind in "sd"]
    starts = [i for i, operation in enumerate(operations) if operation.kind == "O"]
    points = [chance.randrange(len(operations)) for _ in range(cuts // 3)]
    # Just before and just after an fsync is where a wrong order would show; and after a start,
    # which goes on from what a killed process may have left in the cache only.
    points += [chance.choice(ends) - chance.randint(0, 1) for _ in range(cuts // 3)]
    points += [chance.choice(starts) + chance.randrange(60) for _ in range(cuts - len(points))]
    points = [min(point, len(operations) - 1) for point in points]
    wanted = defaultdict(int)
    for point in points:
        wanted[max(0, point)] += 1
    promised = sorted((mark, sid) for sid, mark in load.marks.items())
    disk = Disk()
    checked = lost = done = 0
    for index, operation in enumerate(operations):
        disk.do(operation)
        for _ in range(wanted.get(index, 0)):
            how = ("none", "torn", "part", "all")[done % 4]
            done += 1
            room = directory / f"cut-{done}"
            room.mkdir()
            for path, content in disk.after_cut(chance, how).items():
                (room / path.rpartition("/")[2]).write_bytes(content)
            sids = [sid for mark, sid in promised if mark <= operation.end]
            if len(sids) > _LATEST:  # all of the latest, some of those that are long safe
                sids = [
                    *chance.sample(sids[:-_LATEST], min(1000, len(sids) - _LATEST)),
                    *sids[-_LATEST:],
                ]
            missing = asyncio.run(_missing(room / "statuspush.db", sids, load.accepted))
            checked += len(sids)
            lost += missing
            assert not missing, f"{missing} of {len(sids)} LOST at {index} ({how}): {room}"
            for file in room.iterdir():
                file.unlink()
            room.rmdir()
    return {
        "operations": len(operations),
        "fsyncs": len(ends),
        "checkpoints' writes": sum(
            operation.kind == "W" and operation.path.endswith(".db") for operation in operations
        ),
        "cuts": done,
        "promises checked": checked,
        "lost": lost,
    }


async def _missing(database, sids, accounts):
    """How many of the reports the store on these files does not have."""
    if not sids and not database.exists():
        return 0
    store = SqliteStore.open(database, int(time.time() * 1000))
    try:
        missing = 0
        if sids:
            known = {account.account for account in (await store.list_accounts()).items}
            assert known == set(ACCOUNTS)
            for start in range(0, len(sids), 5000):
                body = json.dumps(
                    [report(accounts[sid], sid) for sid in sids[start : start + 5000]]
                ).encode()
                made = read_submissions(
                    body, VOICE_STATUS, ndjson=False, tz=ZoneInfo("Asia/Shanghai")
                )
                # What is there already is a duplicate; anything else was lost.
                (appended,) = await store.append_reports([make_batch(made, VOICE_STATUS)], 0)
                missing += appended.accepted
    finally:
        await store.close()
    with sqlite3.connect(database) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    assert verdict == "ok", verdict
    return missing


def test_a_power_cut_at_any_point_loses_nothing_acknowledged(tmp_path):
    figures = cut_loop(tmp_path, cuts=16, seconds=3, restarts=2)
    assert figures["promises checked"] > 1000
    assert figures["checkpoints' writes"] > 0


def test_a_power_cut_after_a_failed_fsync_and_a_restart_loses_nothing_acknowledged(tmp_path):
    """The restart reads what the failed fsync gave up, and must not build on it."""
    cut_loop(tmp_path, cuts=16, seconds=3, restarts=2, fsync_fails=True)


def test_a_repeat_is_acknowledged_only_when_the_first_one_is_certain(tmp_path):
    """Killed between write and fsync, the next process finds the reports, in the cache only."""
    record, dies = tmp_path / "operations", tmp_path / "die-at-sync"
    environment = {
        "LD_PRELOAD": str(build_shim(tmp_path)),
        "SHIM_DATABASE": str(tmp_path / "statuspush.db"),
        "SHIM_RECORD": str(record),
        "SHIM_DIE_AT_SYNC": str(dies),
    }
    made = reports("a", "r", 7)
    with stage(tmp_path, ACCOUNTS, environment=environment) as (service, _):
        service.set_push("a", mode="off")  # so that nothing else is written
        dies.touch()
        with pytest.raises((OSError, http.client.HTTPException)):
            service.submit(made)
        assert service.ended() == -9
        service.start()
        assert service.submit(made) == {"accepted": 0, "duplicates": 7}
        promised = record.stat().st_size
        service.kill()
    disk = Disk()
    for operation in read_record(record):
        if operation.end <= promised:
            disk.do(operation)
    room = tmp_path / "cut"
    room.mkdir()
    for path, content in disk.after_cut(random.Random(0), "none").items():
        (room / path.rpartition("/")[2]).write_bytes(content)
    accounts = {item["sid"]: "a" for item in made}
    assert not asyncio.run(_missing(room / "statuspush.db", list(accounts), accounts))
