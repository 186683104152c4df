"""Facts about the writer that must not die: whatever happens to it, every call is answered."""

import asyncio
import sqlite3

import pytest

from statuspush.core.batch import make_batch
from statuspush.core.kinds import VOICE_STATUS
from statuspush.store.base import StoreBroken, StoreUnavailable


@pytest.fixture
async def doomed(layout, new_desk):
    """A desk whose store may be broken in the end."""
    desk = await new_desk(layout).open()
    await desk.account()
    yield desk
    await asyncio.wait_for(desk.store.close(), 5)


async def append(desk):
    return await asyncio.wait_for(
        desk.append_batch(make_batch(desk.reports(1), VOICE_STATUS), desk.now), 5
    )


async def refuses(desk):
    for _ in range(2):
        with pytest.raises(StoreBroken, match="restart"):
            await append(desk)
        with pytest.raises(StoreBroken):
            await asyncio.wait_for(desk.store.ping(), 5)


def fails(error):
    def fail(*_):
        raise error

    return fail


async def test_a_memory_that_cannot_be_rebuilt_breaks_the_store(doomed):
    writer = doomed.store._commit
    writer._reload = fails(sqlite3.OperationalError("disk I/O error"))
    results = await asyncio.wait_for(
        asyncio.gather(
            writer.run(lambda: 1 // 0), writer.run(lambda: None), return_exceptions=True
        ),
        5,
    )
    assert {type(result) for result in results} <= {ZeroDivisionError, StoreBroken}
    await refuses(doomed)


async def test_work_between_groups_that_fails_in_any_way_breaks_the_store(doomed):
    doomed.store._commit._between = fails(RuntimeError("can't start new thread"))
    await append(doomed)
    await refuses(doomed)


async def test_work_between_groups_that_fails_in_its_thread_breaks_the_store(doomed):
    doomed.store._commit._between = lambda: fails(OSError("no"))
    await append(doomed)
    await refuses(doomed)


async def test_what_cannot_be_adopted_after_its_commit_breaks_the_store(doomed):
    with pytest.raises(StoreBroken):
        await asyncio.wait_for(
            doomed.store._commit.run(lambda: None, after=fails(ValueError("no"))), 5
        )
    await refuses(doomed)


async def test_a_writer_that_ends_leaves_nobody_waiting(doomed):
    writer = doomed.store._commit
    waiting = [asyncio.create_task(append(doomed)) for _ in range(3)]
    await asyncio.sleep(0)
    writer._task.cancel()
    for result in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(result, StoreBroken)
    await refuses(doomed)


async def test_a_verb_with_a_defect_fails_alone_with_its_own_error(desk):
    await desk.account()
    results = await asyncio.gather(
        desk.append_batch(make_batch([desk.report(1)], VOICE_STATUS), desk.now),
        desk.store.put_account("x", "\ud800", b"", desk.now),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [StoreUnavailable, UnicodeEncodeError]
    assert (await desk.get()).accepted_reports == 0


async def test_after_a_defect_the_store_goes_on(watch, watched):
    desk = watched
    await desk.account()
    with pytest.raises(UnicodeEncodeError):
        await desk.store.put_account("x", "\ud800", b"", desk.now)
    assert await desk.submit(1)


async def test_an_index_that_is_damaged_breaks_the_store(watch, doomed):
    watch.fail_commits(sqlite3.SQLITE_CORRUPT | 3 << 8)  # SQLITE_CORRUPT_INDEX
    with pytest.raises(StoreBroken):
        await append(doomed)
    watch.fail = None
    await refuses(doomed)


async def test_what_follows_a_commit_is_done_before_anybody_is_told(desk):
    order = []
    writer = desk.store._commit

    async def tell(verb, after=None):
        await writer.run(verb, after=after)
        order.append("told")

    await asyncio.gather(
        tell(lambda: None), tell(lambda: order.append("done"), lambda _: order.append("after"))
    )
    assert order == ["done", "after", "told", "told"]
