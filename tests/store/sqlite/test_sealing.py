"""Facts about sorting behind the log when commits fail around it."""

import asyncio
import sqlite3
import threading

import pytest

from statuspush.core.batch import make_batch
from statuspush.core.contract import Mode
from statuspush.core.kinds import VOICE_STATUS
from statuspush.store.base import StoreBroken

from .conftest import error


def once(part):
    """Lets the next statement with that in it fail, and none after it."""
    left = [True]

    def fail(sql):
        if part in sql and left:
            left.pop()
            return error(sqlite3.SQLITE_FULL)
        return None

    return fail


async def append(desk, reports):
    """Without the desk's upkeep."""
    return await desk.append_batch(make_batch(reports, VOICE_STATUS), desk.now)


async def until_a_run_is_next(desk):
    """Sweep until the next step makes a run of the log count."""
    desk.turn(minutes=7 * 60)
    for _ in range(100):
        seal = desk.store._sealing._run
        if seal is not None and seal.last:
            return
        await desk.sweep()
    raise AssertionError("no run is being written")


async def during_the_commit_of(desk, watch, first, second):
    """Results of two calls of which the second waits while the first is being committed."""
    go, begun = threading.Event(), threading.Event()

    def before(_, sql):
        if sql == "COMMIT" and not begun.is_set():
            begun.set()
            go.wait(10)

    watch.on_before = before
    one = asyncio.create_task(first)
    while not begun.is_set():
        await asyncio.sleep(0.001)
    two = asyncio.create_task(second)
    for _ in range(3):
        await asyncio.sleep(0)
    go.set()
    results = await asyncio.gather(one, two, return_exceptions=True)
    watch.on_before = watch.fail = None
    return results


async def test_a_step_that_waited_through_a_failed_commit_does_nothing(watch, watched):
    desk = watched
    await desk.account(mode=Mode.PAUSED)
    await append(desk, desk.reports(3))
    await until_a_run_is_next(desk)
    await append(desk, desk.reports(5))
    watch.fail = once("COMMIT")
    await during_the_commit_of(desk, watch, append(desk, desk.reports(1)), desk.sweep())
    desk.layout.check(desk.store)
    await desk.settle()
    assert (await append(desk, [desk.report(n) for n in range(1, 9)])).duplicates == 8
    await desk.set(mode=Mode.ON)
    sent = [sid for push in await desk.deliver_all() for sid in push]
    assert sent == [f"sid-{n}" for n in range(1, 9)]


async def test_a_run_refuses_duplicates_from_its_commit_on(watch, watched):
    desk = watched
    await desk.account()
    await append(desk, desk.reports(3))
    await desk.deliver_all()
    await until_a_run_is_next(desk)
    begun = []

    def fail(sql):
        begun.extend([sql] if sql == "BEGIN IMMEDIATE" else [])
        return error(sqlite3.SQLITE_BUSY) if len(begun) == 2 and sql == begun[0] else None

    watch.fail = fail
    _, repeated = await during_the_commit_of(
        desk, watch, desk.sweep(), append(desk, [desk.report(1)])
    )
    assert len(begun) > 2
    assert repeated.duplicates == 1
    desk.layout.check(desk.store)


@pytest.mark.sizes(run_pushes=2)
async def test_sorted_pushes_that_waited_through_a_failed_commit_are_not_written(watch, watched):
    desk = watched
    await desk.account(max_reports=1)
    await desk.submit(3)
    await desk.deliver_all()
    while desk.store._sealing._pushes is None:
        await desk.sweep()
    watch.fail = once("COMMIT")
    await during_the_commit_of(desk, watch, append(desk, desk.reports(1)), desk.sweep())
    await desk.settle()
    before = await desk.pushes()
    assert len(before) == 3
    await desk.reopen()
    assert await desk.pushes() == before


async def test_a_push_of_which_reports_are_missing_is_not_sent(layout, new_desk):
    desk = await new_desk(layout).open()
    await desk.account()
    for _ in range(3):
        await desk.submit(2)
    desk.store._connection.execute("DELETE FROM chunks WHERE id = 2")
    desk.store._log.memory.clear()
    with pytest.raises(StoreBroken, match="missing"):
        await desk.claim()
    with pytest.raises(StoreBroken):
        await desk.store.ping()
    await desk.store.close()


async def test_what_an_interrupted_run_left_does_not_stay(desk):
    """A run that was begun before a restart may be another one after it."""
    await desk.account()
    await append(desk, desk.reports(3))
    await until_a_run_is_next(desk)
    await desk.reopen()
    await append(desk, desk.reports(4))
    desk.turn(minutes=7 * 60)
    await desk.settle()
    runs = desk.store._connection.execute("SELECT id, reports FROM runs").fetchall()
    blocks = desk.store._connection.execute(
        "SELECT run, sum(length(entries)) / 12 FROM index_blocks WHERE kind = 0 GROUP BY run"
    ).fetchall()
    assert blocks == runs
    for number in range(1, 8):
        assert len(await desk.find(sid=f"sid-{number}")) == 1
