"""Facts about pushes of which only some reports are too old: the young ones lose nothing."""

from statuspush.core.contract import Mode
from statuspush.core.lifecycle import State
from statuspush.core.outcome import Outcome
from statuspush.store.base import StateCounts

LATER = 7  # hours; more than the age at which the engine sorts what it has


async def days_of_reports(desk, days=7):
    """Ten reports a day, each day's in order for removal by itself; returns each day's sids."""
    sids = []
    for _ in range(days):
        sids.append(await desk.submit(10))
        desk.turn(minutes=LATER * 60)
        await desk.settle()
        desk.turn(minutes=(24 - LATER) * 60)
    return sids


async def old_backlog(desk):
    """A backlog of seven days, switched on now; the first day's reports are too old then."""
    await desk.account(mode=Mode.PAUSED)
    sids = await days_of_reports(desk)
    await desk.set(mode=Mode.ON)
    return sids, desk.START + desk.DAY // 2


async def test_younger_reports_of_a_push_that_waits_for_its_retry_are_kept(desk):
    sids, keep_from = await old_backlog(desk)
    old = await desk.claim_one()
    assert old.reports == 70
    await desk.fail(old)
    desk.turn(minutes=2)
    done = await desk.settle(keep_from=keep_from)
    assert (done["reports"], done["expired"]) == (10, 10)
    assert (await desk.get()).reports == StateCounts(waiting=60, expired=10)
    ended = await desk.store.get_push(old.id)
    assert ended.push.state is State.CANCELLED
    assert [attempt.verdict.outcome for attempt in ended.attempts] == [Outcome.HTTP_ERROR]
    desk.turn(minutes=2)
    assert await desk.claim() == []  # at the time of the old one's retry, not before
    desk.turn(minutes=1)
    rest = await desk.claim_one()
    assert rest.id != old.id
    assert rest.failures == 1
    assert desk.sids(rest) == [sid for day in sids[1:] for sid in day]
    await desk.reopen()
    (found,) = await desk.find(sid=sids[6][0])
    assert [push.push.id for push in found.pushes] == [old.id, rest.id]


async def test_what_is_left_of_a_push_keeps_its_number_of_sends(desk):
    _, keep_from = await old_backlog(desk)
    for _ in range(3):
        await desk.fail(await desk.claim_one())
        desk.turn(minutes=5)
    await desk.settle(keep_from=keep_from)
    await desk.set(max_reports=7)
    await desk.fail(await desk.claim_one())
    assert (await desk.get()).reports.exhausted == 60


async def test_what_is_left_of_a_push_and_split_by_a_cap_keeps_its_number_of_sends(desk):
    _, keep_from = await old_backlog(desk)
    for _ in range(3):
        await desk.fail(await desk.claim_one())
        desk.turn(minutes=5)
    await desk.settle(keep_from=keep_from)
    await desk.set(max_bytes=5000)
    while claims := await desk.claim():
        assert [claim.failures for claim in claims] == [3]
        await desk.fail(claims)
    assert (await desk.get()).reports == StateCounts(exhausted=60, expired=10)


async def test_a_push_that_was_not_sent_yet_shrinks(desk):
    await desk.account()
    sids = await days_of_reports(desk)
    await desk.exhaust()
    redriven = await desk.store.redrive_account(
        "acme", since=None, until=None, states=frozenset(State), now=desk.now
    )
    done = await desk.settle(keep_from=desk.START + desk.DAY // 2)
    assert (done["reports"], done["expired"]) == (10, 10)
    await desk.reopen()
    account = await desk.get()
    assert account.reports == StateCounts(waiting=60, expired=10)
    assert account.oldest_waiting_at == desk.START + desk.DAY
    claim = await desk.claim_one()
    assert [claim.id] == redriven.ids
    assert desk.sids(claim) == [sid for day in sids[1:] for sid in day]
    (found,) = await desk.find(sid=sids[1][0])
    assert found.pushes[-1].push.id == claim.id


async def test_reports_that_share_a_push_with_old_ones_can_be_redriven_for_ever(desk):
    await desk.account()
    await days_of_reports(desk)
    await desk.exhaust()
    everything = {"since": None, "until": None, "states": frozenset(State)}
    await desk.store.redrive_account("acme", **everything, now=desk.now)
    await desk.fail(await desk.claim_one())
    await desk.settle(keep_from=desk.START + desk.DAY // 2)
    await desk.set(mode=Mode.OFF)
    await desk.set(mode=Mode.ON)
    redriven = await desk.store.redrive_account("acme", **everything, now=desk.now)
    assert redriven.reports == 60


async def test_while_a_send_holds_a_run_back_upkeep_rests(desk):
    _, keep_from = await old_backlog(desk)
    claim = await desk.claim_one()
    for _ in range(3):
        assert not (await desk.settle(keep_from=keep_from))["reports"]
    await desk.deliver(claim)
    assert (await desk.settle(keep_from=keep_from))["reports"] == 10
    assert (await desk.get()).reports == StateCounts(delivered=70)
