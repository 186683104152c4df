"""Facts about a disk that is full or broken: what is refused, what memory holds, what heals."""

import asyncio
import sqlite3
import subprocess
import sys

import pytest

from statuspush.core.batch import make_batch
from statuspush.core.contract import Mode
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.lifecycle import State
from statuspush.storage import damage
from statuspush.store.base import (
    StoreBroken,
    StoreUnavailable,
    UnknownAccounts,
)
from statuspush.store.sqlite import SqliteStore

CODES = [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_BUSY]
BREAKING = sorted(damage.BROKEN)
ALL = frozenset(State)


async def history(desk):
    """A little of everything: pushes in each state, reports not cut, an old run to remove."""
    await desk.account("a", max_reports=3, max_in_flight=2)
    await desk.account("b")
    await desk.submit(2, "b")
    await desk.deliver_all()
    await desk.submit(5, "b")
    await desk.exhaust("b")
    await desk.submit(12, "a")
    await desk.deliver(await desk.claim_one())
    return await desk.claim(limit=1)


VERBS = {
    "append": lambda desk, claims: desk.append_batch(
        make_batch([desk.report(900, "a"), desk.report(901, "b")], VOICE_STATUS), desk.now
    ),
    "claim": lambda desk, claims: desk.claim(),
    "deliver": lambda desk, claims: desk.record(claims, "acknowledged"),
    "retry": lambda desk, claims: desk.record(claims, "timeout"),
    "halve": lambda desk, claims: desk.record(claims, "too_large"),
    "release": lambda desk, claims: desk.store.release_claims(claims, desk.now),
    "off": lambda desk, claims: desk.store.change_push("a", {"mode": Mode.OFF}, desk.now),
    "create": lambda desk, claims: desk.store.put_account("c", "C", b"", desk.now),
    "rename": lambda desk, claims: desk.store.put_account("a", "New", b"", desk.now),
    "delete": lambda desk, claims: desk.store.delete_account("a", force=True, now=desk.now),
    "redrive": lambda desk, claims: desk.store.redrive_account(
        "b", since=None, until=None, states=ALL, now=desk.now
    ),
    "pull": lambda desk, claims: desk.store.pull_reports("a", 2, desk.now),
    "secret": lambda desk, claims: desk.store.put_secret("s", b"v"),
    "remove": lambda desk, claims: desk.sweep(keep_from=desk.now + desk.DAY),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_that_fails_at_any_statement_leaves_memory_as_the_disk(watch, watched, verb):
    desk = watched
    claims = await history(desk)
    await desk.settle()
    for number in range(2, 100):  # the first one is BEGIN: nothing has been tried by then
        await desk.store.ping()
        watch.fail_at(number)
        try:
            await VERBS[verb](desk, claims)
        except StoreUnavailable:
            watch.fail = None
            desk.layout.check(desk.store)
            assert await desk.store.get_secret("s") is None
            continue
        break
    assert 3 <= number < 99
    watch.fail = None
    desk.layout.check(desk.store)


@pytest.mark.parametrize("code", CODES)
async def test_a_failing_commit_is_unavailable_and_stores_nothing(watch, watched, code):
    desk = watched
    await history(desk)
    before = await desk.store.list_accounts()
    watch.fail_commits(code)
    with pytest.raises(StoreUnavailable):
        await desk.append([desk.report(900, "a")])
    assert await desk.store.list_accounts() == before
    assert await desk.find(sid="sid-900") == []
    desk.layout.check(desk.store)
    with pytest.raises(StoreUnavailable):
        await desk.store.ping()


async def test_a_transaction_that_cannot_begin_is_tried_once_more_after_a_look(watch, watched):
    desk = watched
    await desk.account()
    watch.fail_at(1)
    assert (await desk.append([desk.report(1)])).accepted == 1
    watch.fail_every("BEGIN IMMEDIATE", sqlite3.SQLITE_BUSY)
    with pytest.raises(StoreUnavailable):
        await desk.append([desk.report(2)])


async def test_a_look_up_that_cannot_read_is_unavailable(watch, watched):
    desk = watched
    await desk.account()
    await desk.submit(1)
    watch.fail_every("SELECT", sqlite3.SQLITE_IOERR_READ)
    for question in (
        desk.find(sid="sid-1"),
        desk.pushes(),
        desk.get(),
        desk.store.list_accounts(),
        desk.store.get_secret("s"),
    ):
        with pytest.raises(StoreUnavailable):
            await question
    watch.fail = None
    assert len(await desk.find(sid="sid-1")) == 1


async def test_a_store_heals_by_itself(watch, watched):
    desk = watched
    await history(desk)
    watch.fail_commits()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await desk.append([desk.report(900, "a")])
    watch.fail = None
    await desk.store.ping()
    assert (await desk.append([desk.report(900, "a")])).accepted == 1


@pytest.mark.sizes(probe_seconds=60)
async def test_while_it_fails_one_look_at_the_disk_serves_many(watch, watched):
    desk = watched
    await desk.account()
    watch.fail_commits()
    with pytest.raises(StoreUnavailable):
        await desk.append([desk.report(1)])
    watch.statements.clear()
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            await desk.append([desk.report(1)])
    assert watch.statements == []


async def test_a_claim_that_was_not_stored_is_not_held(watch, watched):
    desk = watched
    await desk.account()
    sids = await desk.submit(3)
    watch.fail_commits()
    with pytest.raises(StoreUnavailable):
        await desk.claim()
    watch.fail = None
    assert desk.sids(await desk.claim_one()) == sids


async def test_an_outcome_that_was_not_stored_can_be_recorded_again(watch, watched):
    desk = watched
    await desk.account()
    await desk.submit(3)
    claim = await desk.claim_one()
    watch.fail_commits()
    with pytest.raises(StoreUnavailable):
        await desk.deliver(claim)
    watch.fail = None
    await desk.deliver(claim)
    assert await desk.push_state(claim.id) is State.DELIVERED


async def test_a_size_is_learned_also_when_a_commit_failed_meanwhile(watch, watched):
    desk = watched
    await desk.account()
    await desk.submit(8)
    claim = await desk.claim_one()
    watch.fail_commits()
    with pytest.raises(StoreUnavailable):
        await desk.append([desk.report(900)])
    watch.fail = None
    await desk.too_large(claim)
    assert (await desk.get()).learned_max_bytes is not None


async def test_a_redrive_is_sent_also_when_a_commit_failed_meanwhile(watch, watched):
    desk = watched
    await desk.account()
    sids = await desk.submit(2)
    await desk.exhaust()
    await desk.submit(2)
    await desk.fail(await desk.claim_one())
    await desk.store.redrive_account("acme", since=None, until=None, states=ALL, now=desk.now)
    watch.fail_commits()
    with pytest.raises(StoreUnavailable):
        await desk.append([desk.report(900)])
    watch.fail = None
    assert [desk.sids(claim) for claim in await desk.claim()] == [sids]


@pytest.mark.parametrize("code", BREAKING)
async def test_after_a_failed_fsync_every_write_is_refused_for_good(watch, layout, new_desk, code):
    desk = await new_desk(layout).open()
    await desk.account()
    await desk.submit(1)
    watch.fail_commits(code)
    with pytest.raises(StoreBroken, match="restart"):
        await desk.append([desk.report(900)])
    watch.fail = None
    for _ in range(2):
        with pytest.raises(StoreBroken):
            await desk.append([desk.report(900)])
        with pytest.raises(StoreBroken):
            await desk.store.ping()
    await desk.reopen()
    assert (await desk.append([desk.report(900)])).accepted == 1
    await desk.store.close()


async def test_a_probe_that_finds_a_broken_disk_breaks_the_store(watch, layout, new_desk):
    desk = await new_desk(layout).open()
    await desk.account()
    watch.fail_commits()
    with pytest.raises(StoreUnavailable):
        await desk.append([desk.report(1)])
    watch.fail_commits(sqlite3.SQLITE_IOERR_FSYNC)
    with pytest.raises(StoreBroken):
        await desk.append([desk.report(1)])
    watch.fail = None
    with pytest.raises(StoreBroken):
        await desk.store.ping()
    await desk.store.close()


async def test_a_mistake_of_one_caller_does_not_fail_the_others_of_its_group(desk):
    await desk.account()
    good, bad = [desk.report(1)], [desk.report(2, "nobody")]
    results = await asyncio.gather(
        *[
            desk.append_batch(make_batch(reports, VOICE_STATUS), desk.now)
            for reports in (good, bad, [desk.report(3)])
        ],
        return_exceptions=True,
    )
    assert [getattr(result, "accepted", type(result)) for result in results] == [
        1,
        UnknownAccounts,
        1,
    ]


async def test_a_failing_commit_fails_all_of_its_group(watch, watched):
    desk = watched
    await desk.account()
    watch.fail_commits()
    results = await asyncio.gather(
        *[desk.append_batch(make_batch([one], VOICE_STATUS), desk.now) for one in desk.reports(5)],
        return_exceptions=True,
    )
    assert {type(result) for result in results} == {StoreUnavailable}


async def test_many_verbs_share_one_commit(watch, watched):
    desk = watched
    await desk.account()
    watch.statements.clear()
    await asyncio.gather(
        *[desk.append_batch(make_batch([one], VOICE_STATUS), desk.now) for one in desk.reports(50)]
    )
    assert watch.statements.count("COMMIT") <= 10


async def test_a_caller_who_goes_away_harms_nobody(desk):
    await desk.account()
    one, two = [desk.report(1)], [desk.report(2)]
    gone = asyncio.create_task(desk.append_batch(make_batch(one, VOICE_STATUS), desk.now))
    stays = asyncio.create_task(desk.append_batch(make_batch(two, VOICE_STATUS), desk.now))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await stays).accepted == 1
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_closed_store_refuses(layout, new_desk):
    desk = await new_desk(layout).open()
    await desk.account()
    await desk.store.close()
    with pytest.raises(StoreUnavailable):
        await desk.store.ping()


async def test_what_waits_at_close_is_committed(layout, new_desk):
    desk = await new_desk(layout).open()
    await desk.account()
    reports = desk.reports(5)
    tasks = [
        asyncio.create_task(desk.append_batch(make_batch([one], VOICE_STATUS), desk.now))
        for one in reports
    ]
    await asyncio.sleep(0)
    await desk.store.close()
    assert [(await task).accepted for task in tasks] == [1] * 5
    await desk.open()
    assert (await desk.get()).accepted_reports == 5
    await desk.store.close()


async def test_a_full_disk_refuses_and_heals_when_there_is_room(watched):
    desk = watched
    await desk.account()
    await desk.submit(1)
    writer = desk.store._connection
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 20}")
    accepted = 1

    async def fill():
        nonlocal accepted
        for _ in range(50):
            reports = desk.reports(100)
            await desk.append_batch(make_batch(reports, VOICE_STATUS), desk.now)
            accepted += 100

    with pytest.raises(StoreUnavailable, match="full"):
        await fill()
    desk.layout.check(desk.store)
    assert (await desk.get()).accepted_reports == accepted
    with pytest.raises(StoreUnavailable):
        await desk.store.ping()
    writer.execute("PRAGMA max_page_count = 1000000")
    await desk.store.ping()
    assert (await desk.append(desk.reports(100))).accepted == 100


LIMITED = """
import asyncio, resource, sys
from statuspush.core.batch import make_batch
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.kinds.voice_status import Submission
from statuspush.store.base import StoreUnavailable
from statuspush.core.push_settings import PushSettings
from statuspush.storage import damage
from statuspush.store.sqlite import SqliteStore
from statuspush.store.sqlite.sizes import Sizes

NOW = 1_767_323_045_678

async def main():
    store = SqliteStore.open(sys.argv[1], NOW, sizes=Sizes(probe_seconds=0))
    await store.put_account("a", "A", b"", NOW)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    accepted, number = [], 0
    while True:
        reports = [
            Submission("a", f"s{number + n}", "2026-01-02 11:00:00", 1, "152", "SUCCESS")
            for n in range(500)
        ]
        number += 500
        try:
            await store.append_reports([make_batch(reports, VOICE_STATUS)], NOW)
        except StoreUnavailable:
            break
        accepted += [report.sid for report in reports]
    assert (await store.get_account("a")).accepted_reports == len(accepted)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (await store.append_reports([make_batch(reports, VOICE_STATUS)], NOW))[0].accepted == 500
    await store.close()
    print(len(accepted) + 500)

asyncio.run(main())
"""


async def test_a_file_that_may_not_grow_refuses_and_heals(tmp_path):
    path = tmp_path / "status.db"
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    store = SqliteStore.open(path, 1_767_323_045_678)
    accepted = (await store.get_account("a")).accepted_reports
    await store.close()
    assert accepted == int(run.stdout.split()[-1]) > 500
