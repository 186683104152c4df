"""Facts about retention: what is removed, what is counted, and that nothing else is touched."""

import pytest

from statuspush.core.contract import Mode
from statuspush.core.lifecycle import State
from statuspush.store.base import StateCounts, UnknownPush

LATER = 7  # hours; more than the age at which the engine sorts what it has


async def age(desk, days=8):
    """Let what there is be put in order for removal, then let days go by."""
    desk.turn(minutes=LATER * 60)
    await desk.settle()
    desk.turn(days=days)


async def remove_old(desk, days=7):
    return await desk.settle(keep_from=desk.now - days * desk.DAY)


async def test_nothing_is_removed_before_its_time(desk):
    await desk.account()
    await desk.submit(10)
    await desk.deliver_all()
    await age(desk, days=6)
    done = await remove_old(desk)
    assert sum(done.values()) == 0
    assert len(await desk.find(sid="sid-1")) == 1


async def test_old_reports_and_pushes_are_removed(desk):
    await desk.account()
    await desk.submit(10)
    claim = await desk.claim_one()
    await desk.deliver(claim)
    await age(desk)
    done = await remove_old(desk)
    assert (done["reports"], done["pushes"], done["expired"]) == (10, 1, 0)
    assert await desk.find(sid="sid-1") == []
    assert await desk.pushes() == []
    with pytest.raises(UnknownPush):
        await desk.store.get_push(claim.id)
    account = await desk.get()
    assert account.pushes == account.reports == StateCounts()
    assert account.accepted_reports == 10
    assert (await desk.store.figures()).reports_stored == 0


async def test_what_is_younger_stays(desk):
    await desk.account()
    await desk.submit(5)
    await desk.deliver_all()
    await age(desk, days=5)
    sids = await desk.submit(5)
    await desk.deliver_all()
    await age(desk, days=5)
    done = await remove_old(desk)
    assert (done["reports"], done["pushes"]) == (5, 1)
    assert (await desk.get()).reports == StateCounts(delivered=5)
    (found,) = await desk.find(sid=sids[0])
    assert found.seq == 6
    assert found.state is State.DELIVERED


async def test_a_sid_is_forgotten_with_its_report(desk):
    await desk.account()
    await desk.submit(3)
    await desk.deliver_all()
    await age(desk)
    await remove_old(desk)
    assert (await desk.append([desk.report(2)])).accepted == 1
    (found,) = await desk.find(sid="sid-2")
    assert found.seq == 4


async def test_numbering_goes_on_after_everything_is_removed(desk):
    await desk.account()
    await desk.submit(3)
    await desk.deliver_all()
    await age(desk)
    await remove_old(desk)
    await desk.reopen()
    sids = await desk.submit(2)
    assert (await desk.find(sid=sids[0]))[0].seq == 4
    assert await desk.deliver_all() == [sids]


async def test_reports_that_still_wait_expire(desk):
    await desk.account()
    await desk.submit(5)
    await desk.set(mode=Mode.PAUSED)
    await age(desk)
    done = await remove_old(desk)
    assert (done["reports"], done["expired"]) == (5, 5)
    assert (await desk.get()).reports == StateCounts(expired=5)
    await desk.reopen()
    assert (await desk.get()).reports == StateCounts(expired=5)
    await desk.set(mode=Mode.ON)
    assert await desk.claim() == []


async def test_a_waiting_push_expires_with_its_reports(desk):
    await desk.account(max_reports=3)
    await desk.submit(5)
    claim = await desk.claim_one()
    await desk.fail(claim)
    await age(desk)
    done = await remove_old(desk)
    assert done["expired"] == 5
    account = await desk.get()
    assert account.reports == StateCounts(expired=5)
    assert account.pushes == StateCounts()
    assert await desk.claim() == []
    with pytest.raises(UnknownPush):
        await desk.store.get_push(claim.id)


async def test_what_is_being_sent_stays_until_its_outcome(desk):
    await desk.account()
    await desk.submit(5)
    (claim,) = await desk.claim(lease_ms=100 * desk.DAY)
    await age(desk)
    done = await remove_old(desk)
    assert sum(done.values()) == 0
    await desk.deliver(claim)
    done = await remove_old(desk)
    assert (done["reports"], done["expired"]) == (5, 0)
    assert (await desk.get()).reports == StateCounts()


async def test_what_failed_while_it_was_too_old_expires_then(desk):
    await desk.account()
    await desk.submit(5)
    (claim,) = await desk.claim(lease_ms=100 * desk.DAY)
    await age(desk)
    await desk.fail(claim)
    done = await remove_old(desk)
    assert (done["reports"], done["expired"]) == (5, 5)
    assert (await desk.get()).reports == StateCounts(expired=5)


async def test_a_send_under_way_keeps_only_its_own_reports_from_expiring(desk):
    await desk.account(max_reports=3)
    await desk.submit(5)
    (claim,) = await desk.claim(lease_ms=100 * desk.DAY)
    await age(desk)
    sids = await desk.submit(5)
    assert (await remove_old(desk))["expired"] == 2
    await desk.deliver(claim)
    assert (await remove_old(desk))["reports"] == 5
    assert await desk.deliver_all() == [sids[:3], sids[3:]]
    assert (await desk.get()).reports == StateCounts(delivered=5, expired=2)


async def test_a_clock_that_was_ahead_once_does_not_stop_retention(desk):
    await desk.account()
    good = desk.now
    desk.turn(days=365)
    await desk.submit(1)
    await desk.deliver_all()
    desk.now = good
    await desk.reopen()
    for _ in range(20):
        await desk.submit(10)
        await desk.deliver_all()
        await age(desk, days=0)
        desk.turn(minutes=(24 - LATER) * 60)
        await remove_old(desk)
    await desk.reopen()
    await remove_old(desk)
    stored = (await desk.store.figures()).reports_stored
    assert 60 <= stored <= 80
    assert sum(push.reports for push in await desk.pushes()) == stored


async def test_a_clock_that_is_behind_at_one_start_makes_nothing_old(desk):
    """As on a machine that begins in 1970 and learns the time later."""
    await desk.account(mode=Mode.PAUSED)
    await desk.submit(3)
    await age(desk, days=1)
    await desk.submit(3)
    good = desk.now
    desk.now = desk.DAY
    await desk.reopen()
    await desk.submit(3)
    await age(desk, days=0)
    await remove_old(desk)
    desk.now = good
    await desk.reopen()
    await remove_old(desk)
    assert (await desk.get()).reports == StateCounts(waiting=9)


@pytest.mark.sizes(removed_bytes=200)
async def test_a_step_removes_a_bounded_number_of_bytes(desk):
    await desk.account(mode=Mode.OFF)
    for _ in range(20):
        await desk.submit(1)
    await age(desk)
    removed = []
    while (swept := await desk.sweep(keep_from=desk.now)).more:
        removed.append(swept.reports_removed)
    assert sum(removed) == 20
    assert max(removed) <= 4


async def test_what_comes_after_expired_reports_is_sent(desk):
    await desk.account(mode=Mode.PAUSED)
    await desk.submit(5)
    await age(desk)
    sids = await desk.submit(3)
    await remove_old(desk)
    assert (await desk.get()).reports == StateCounts(waiting=3, expired=5)
    await desk.set(mode=Mode.ON)
    assert await desk.deliver_all() == [sids]


async def test_reports_of_an_account_that_is_off_do_not_expire_they_did_not_wait(desk):
    await desk.account(mode=Mode.OFF)
    await desk.submit(5)
    await age(desk)
    done = await remove_old(desk)
    assert (done["reports"], done["expired"]) == (5, 0)
    assert (await desk.get()).reports == StateCounts()


async def test_pull_skips_what_is_removed(desk):
    await desk.account(mode=Mode.OFF)
    await desk.submit(5)
    await desk.store.pull_reports("acme", 2, desk.now)
    await age(desk)
    sids = await desk.submit(2)
    await remove_old(desk)
    assert desk.sids(await desk.store.pull_reports("acme", 10, desk.now)) == sids


async def test_a_waiting_push_does_not_keep_younger_ones_for_ever(desk):
    await desk.account("stuck")
    await desk.account("fine")
    await desk.submit(1, "stuck")
    await desk.fail(await desk.claim_one())
    await desk.set("stuck", mode=Mode.PAUSED)
    for _ in range(5):
        await desk.submit(1, "fine")
        await desk.deliver_all()
    await age(desk)
    await remove_old(desk)
    assert await desk.pushes("fine") == await desk.pushes("stuck") == []


async def test_what_a_deleted_account_left_is_removed(desk):
    await desk.account("gone", max_reports=1)
    await desk.account("here")
    await desk.submit(4, "gone")
    await desk.fail((await desk.claim())[0])
    await desk.store.delete_account("gone", force=True, now=desk.now)
    await desk.submit(2, "here")
    await desk.deliver_all()
    await age(desk)
    done = await remove_old(desk)
    assert (done["reports"], done["pushes"], done["expired"]) == (6, 2, 0)


async def test_a_delivered_report_whose_push_is_removed_first_does_not_wait(desk):
    await desk.account()
    await desk.submit(2)
    await desk.deliver_all()
    desk.turn(minutes=1)
    between = desk.now
    desk.turn(minutes=1)
    await desk.submit(1)
    await desk.settle(keep_from=between)
    for report in await desk.find(sid="sid-1"):
        assert report.state is not State.WAITING
    (young,) = await desk.find(sid="sid-3")
    assert young.state is State.WAITING


async def test_a_redrive_of_removed_reports_makes_nothing(desk):
    await desk.account()
    await desk.submit(3)
    await age(desk, days=5)
    old = await desk.exhaust()
    desk.turn(days=3)
    await remove_old(desk)
    assert await desk.push_state(old.id) is State.EXHAUSTED
    redriven = await desk.store.redrive_push(old.id, desk.now)
    assert (redriven.pushes, redriven.reports) == (0, 0)
    assert (await desk.store.get_push(old.id)).fragments == b""


async def test_a_redrive_of_partly_removed_reports_takes_what_is_left(desk):
    await desk.account(mode=Mode.OFF, max_reports=3)
    await desk.submit(5)
    await age(desk, days=5)
    left = await desk.submit(5)
    await desk.set(mode=Mode.ON)
    (cover,) = await desk.pushes()
    assert cover.reports == 10
    desk.turn(days=3)
    await remove_old(desk)
    redriven = await desk.store.redrive_push(cover.id, desk.now)
    assert (redriven.pushes, redriven.reports) == (2, 5)
    claims = []
    while found := await desk.claim():
        assert all(len(desk.sids(claim)) == claim.reports for claim in found)
        claims += found
        await desk.deliver(found)
    assert [sid for claim in claims for sid in desk.sids(claim)] == left


async def test_removal_goes_on_after_a_restart_at_any_step(desk):
    await desk.account("a", max_reports=2)
    await desk.account("b")
    for _ in range(6):
        await desk.submit(2, "a")
        await desk.submit(1, "b")
    await desk.deliver_all()
    await desk.submit(3, "a")
    await desk.set("a", mode=Mode.PAUSED)
    await age(desk)
    keep_from = desk.now - 7 * desk.DAY
    removed = expired = 0
    for _ in range(200):
        swept = await desk.sweep(keep_from)
        removed += swept.reports_removed
        expired += swept.reports_expired
        await desk.check()
        await desk.reopen()
        if not swept.more:
            break
    assert (removed, expired) == (21, 3)


async def test_a_clock_set_back_never_loses_a_waiting_report(desk):
    """Runs are removed in the order of the log, whatever time stands on them."""
    await desk.account(mode=Mode.PAUSED)
    desk.turn(days=2)
    await desk.submit(8)
    desk.turn(days=-2)
    await desk.reopen()
    await desk.submit(8)
    await age(desk, days=8)
    await desk.settle(keep_from=desk.now - 7 * desk.DAY)
    account = await desk.get()
    assert account.reports.waiting + account.reports.expired == 16
    await desk.set(mode=Mode.ON)
    assert sum(len(push) for push in await desk.deliver_all()) == account.reports.waiting


async def test_the_store_does_not_grow_at_constant_load(desk):
    await desk.account("a")
    await desk.account("b", max_reports=7)
    sizes = []
    for _ in range(12):
        for _ in range(4):
            await desk.submit(30, "a")
            await desk.submit(15, "b")
            await desk.deliver_all()
            desk.turn(minutes=6 * 60 + 1)
            await desk.settle(keep_from=desk.now - 2 * desk.DAY)
        figures = await desk.store.figures()
        sizes.append((figures.reports_stored, figures.bytes_on_disk))
    stored, on_disk = zip(*sizes, strict=True)
    assert max(stored[6:]) <= max(stored[3:6])
    await desk.reopen()
    assert (await desk.store.figures()).bytes_on_disk < 1.5 * max(on_disk[3:6])
