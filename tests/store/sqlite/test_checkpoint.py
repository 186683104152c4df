"""Facts about the write-ahead log: it does not grow without end, whoever reads."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from statuspush.core.batch import make_batch
from statuspush.core.kinds import VOICE_STATUS
from statuspush.store.base import StoreBroken

LIMIT = 256 << 10


def log_size(desk):
    return Path(f"{desk.layout.path}-wal").stat().st_size


async def write(desk, calls):
    for _ in range(calls):
        reports = desk.reports(100)
        await desk.append_batch(make_batch(reports, VOICE_STATUS), desk.now)


@pytest.mark.sizes(wal_bytes=LIMIT)
async def test_under_steady_writing_and_reading_the_log_stays_small(desk):
    await desk.account()
    largest, done = 0, False

    async def read():
        while not done:
            await desk.find(mobile="15200000001")
            await desk.pushes()

    readers = [asyncio.create_task(read()) for _ in range(3)]
    for _ in range(30):
        await write(desk, 10)
        largest = max(largest, log_size(desk))
    done = True
    await asyncio.gather(*readers)
    written = 30 * 10 * 100 * 150
    assert largest < 8 * LIMIT < written
    await desk.reopen()
    assert (await desk.get()).accepted_reports == 30_000


@pytest.mark.sizes(wal_bytes=LIMIT)
async def test_a_reader_who_holds_on_delays_the_log_but_does_not_stop_it(desk):
    await desk.account()
    await write(desk, 5)
    reader = sqlite3.connect(desk.layout.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM chunks").fetchone()
    await write(desk, 60)
    held_back = log_size(desk)
    assert held_back > 2 * LIMIT
    reader.execute("COMMIT")
    reader.close()
    await write(desk, 60)
    assert log_size(desk) <= held_back + 4 * LIMIT
    assert desk.store._checkpoints._size() < held_back


@pytest.mark.sizes(wal_bytes=LIMIT)
async def test_what_a_checkpoint_has_moved_is_there_after_a_restart(desk):
    await desk.account()
    await write(desk, 60)
    await desk.reopen()
    for number in (1, 3000, 6000):
        assert len(await desk.find(sid=f"sid-{number}")) == 1


@pytest.mark.sizes(wal_bytes=LIMIT)
async def test_a_checkpoint_that_fails_for_now_is_tried_again(watch, watched):
    desk = watched
    await desk.account()

    watch.fail_every("wal_checkpoint", sqlite3.SQLITE_FULL)
    await write(desk, 60)
    grown = log_size(desk)
    assert grown > 2 * LIMIT
    watch.fail = None
    await write(desk, 60)
    assert log_size(desk) <= grown + 4 * LIMIT


@pytest.mark.sizes(wal_bytes=LIMIT)
async def test_a_checkpoint_whose_fsync_fails_breaks_the_store(watch, layout, new_desk):
    desk = await new_desk(layout).open()
    await desk.account()

    watch.fail_every("wal_checkpoint", sqlite3.SQLITE_IOERR_FSYNC)
    with pytest.raises(StoreBroken):
        await write(desk, 200)
    watch.fail = None
    await desk.reopen()
    await write(desk, 1)
    await desk.store.close()
