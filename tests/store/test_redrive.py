"""Facts about redrives: what is sent again when a person asks, and what is not."""

import asyncio
from collections import Counter

import pytest

from statuspush.core.batch import make_batch
from statuspush.core.contract import Mode
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.lifecycle import State
from statuspush.store.base import Conflict, UnknownPush

GIVEN_UP = frozenset({State.EXHAUSTED, State.CANCELLED})


async def redrive(desk, states=GIVEN_UP, since=None, until=None):
    return await desk.store.redrive_account(
        "acme", since=since, until=until, states=frozenset(states), now=desk.now
    )


async def test_an_exhausted_push_is_sent_again_as_a_new_push(desk):
    await desk.account()
    sids = await desk.submit(3)
    old = await desk.exhaust()
    redriven = await desk.store.redrive_push(old.id, desk.now)
    assert (redriven.pushes, redriven.reports) == (1, 3)
    claim = await desk.claim_one()
    assert [claim.id] == list(redriven.ids)
    assert claim.id != old.id
    assert desk.sids(claim) == sids
    assert (claim.attempt, claim.failures) == (1, 0)
    detail = await desk.store.get_push(claim.id)
    assert detail.push.redrive_of == old.id
    assert await desk.push_state(old.id) is State.EXHAUSTED


async def test_a_redrive_survives_a_restart(desk):
    await desk.account()
    sids = await desk.submit(3)
    old = await desk.exhaust()
    await desk.store.redrive_push(old.id, desk.now)
    await desk.reopen()
    assert desk.sids(await desk.claim_one()) == sids


async def test_a_delivered_push_can_be_redriven(desk):
    await desk.account()
    sids = await desk.submit(3)
    old = await desk.claim_one()
    await desk.deliver(old)
    await desk.store.redrive_push(old.id, desk.now)
    assert await desk.deliver_all() == [sids]


async def test_a_redriven_push_has_four_sends_of_its_own(desk):
    await desk.account()
    await desk.submit(3)
    old = await desk.exhaust()
    (new,) = (await desk.store.redrive_push(old.id, desk.now)).ids
    await desk.exhaust()
    assert await desk.push_state(new) is State.EXHAUSTED
    assert await desk.claim() == []


@pytest.mark.parametrize("push", ["psh_0000000000000", "nonsense", ""])
async def test_an_unknown_push_is_not_redriven(desk, push):
    await desk.account()
    with pytest.raises(UnknownPush):
        await desk.store.redrive_push(push, desk.now)


async def test_a_push_that_waits_or_is_sent_is_not_redriven(desk):
    await desk.account()
    await desk.submit()
    claim = await desk.claim_one()
    with pytest.raises(Conflict, match=claim.id):
        await desk.store.redrive_push(claim.id, desk.now)
    await desk.fail(claim)
    with pytest.raises(Conflict, match=claim.id):
        await desk.store.redrive_push(claim.id, desk.now)


async def test_a_push_whose_redrive_is_under_way_is_not_redriven(desk):
    await desk.account()
    await desk.submit()
    old = await desk.exhaust()
    (new,) = (await desk.store.redrive_push(old.id, desk.now)).ids
    with pytest.raises(Conflict, match=new):
        await desk.store.redrive_push(old.id, desk.now)
    assert len(await desk.claim()) == 1
    with pytest.raises(Conflict, match=new):
        await desk.store.redrive_push(old.id, desk.now)


async def test_nothing_is_redriven_while_the_interface_is_off(desk):
    await desk.account()
    await desk.submit()
    old = await desk.exhaust()
    await desk.set(mode=Mode.OFF)
    with pytest.raises(Conflict, match="off"):
        await desk.store.redrive_push(old.id, desk.now)
    with pytest.raises(Conflict, match="off"):
        await redrive(desk)


async def test_nothing_is_redriven_without_a_url(desk):
    await desk.account()
    await desk.submit()
    old = await desk.exhaust()
    await desk.set(mode=Mode.PAUSED, url=None)
    with pytest.raises(Conflict, match="URL"):
        await desk.store.redrive_push(old.id, desk.now)
    with pytest.raises(Conflict, match="URL"):
        await redrive(desk)


async def test_a_redrive_while_paused_waits(desk):
    await desk.account()
    await desk.submit(2)
    old = await desk.exhaust()
    await desk.set(mode=Mode.PAUSED)
    await desk.store.redrive_push(old.id, desk.now)
    assert await desk.claim() == []
    assert (await desk.get()).reports.waiting == 2
    await desk.set(mode=Mode.ON)
    assert len(await desk.claim()) == 1


async def test_reports_accepted_while_off_can_be_redriven(desk):
    await desk.account(mode=Mode.OFF, max_reports=3)
    sids = await desk.submit(7)
    await desk.set(mode=Mode.ON)
    (cover,) = await desk.pushes()
    redriven = await desk.store.redrive_push(cover.id, desk.now)
    assert (redriven.pushes, redriven.reports) == (3, 7)
    assert await desk.deliver_all() == [sids[:3], sids[3:6], sids[6:]]


async def test_neighbouring_pushes_come_back_as_full_ones(desk):
    await desk.account(max_reports=1)
    sids = await desk.submit(5)
    for _ in range(5):
        await desk.exhaust()
    await desk.set(max_reports=500)
    redriven = await redrive(desk)
    assert (redriven.pushes, redriven.reports) == (1, 5)
    assert await desk.deliver_all() == [sids]


async def test_pushes_with_a_delivered_one_between_stay_apart(desk):
    await desk.account(max_reports=1)
    await desk.submit(3)
    await desk.exhaust()
    await desk.deliver(await desk.claim_one())
    await desk.exhaust()
    redriven = await redrive(desk)
    assert (redriven.pushes, redriven.reports) == (2, 2)
    assert await desk.deliver_all() == [["sid-1"], ["sid-3"]]


async def test_what_was_redriven_and_delivered_is_left_out(desk):
    await desk.account()
    await desk.submit(2)
    old = await desk.exhaust()
    await desk.store.redrive_push(old.id, desk.now)
    await desk.deliver_all()
    assert (await redrive(desk)).pushes == 0
    await desk.submit(1)
    await desk.exhaust()
    assert (await redrive(desk)).reports == 1


async def test_what_is_under_way_again_is_left_out(desk):
    await desk.account(max_reports=2)
    await desk.submit(2)
    first = await desk.exhaust()
    await desk.submit(2)
    await desk.exhaust()
    await desk.store.redrive_push(first.id, desk.now)
    redriven = await redrive(desk)
    assert (redriven.pushes, redriven.reports) == (1, 2)
    assert (await redrive(desk)).pushes == 0


async def test_only_the_states_asked_for_are_redriven(desk):
    await desk.account(max_reports=1)
    await desk.submit(1)
    await desk.exhaust()
    await desk.submit(1)
    await desk.set(mode=Mode.OFF)
    await desk.set(mode=Mode.ON)
    await desk.submit(1)
    await desk.deliver_all()
    assert (await redrive(desk, {State.WAITING, State.SENDING})).pushes == 0
    await redrive(desk, {State.EXHAUSTED})
    assert await desk.deliver_all() == [["sid-1"]]
    await redrive(desk, {State.CANCELLED})
    assert await desk.deliver_all() == [["sid-2"]]
    await redrive(desk, {State.DELIVERED})
    assert sorted(await desk.deliver_all()) == [["sid-1"], ["sid-2"], ["sid-3"]]


async def test_only_pushes_created_in_the_window_are_redriven(desk):
    await desk.account(max_reports=1)
    created = []
    for _ in range(4):
        await desk.submit(1)
        created.append(desk.now)
        await desk.exhaust()
    assert (await redrive(desk, since=created[1], until=created[3])).reports == 2
    assert await desk.deliver_all() == [["sid-2"], ["sid-3"]]
    assert (await redrive(desk, until=created[0])).reports == 0
    assert (await redrive(desk, since=created[3])).reports == 1
    assert (await redrive(desk, until=created[0] + 1)).reports == 1


async def test_a_redrive_of_many_names_the_first_hundred(desk):
    await desk.account(mode=Mode.OFF, max_reports=1)
    await desk.submit(150)
    await desk.set(mode=Mode.ON)
    redriven = await redrive(desk)
    assert (redriven.pushes, redriven.reports, len(redriven.ids)) == (150, 150, 100)
    assert len(await desk.deliver_all()) == 150


async def test_redriven_pushes_are_sent_in_the_order_of_acceptance(desk):
    await desk.account(mode=Mode.OFF, max_reports=2, max_in_flight=3)
    sids = await desk.submit(9)
    await desk.set(mode=Mode.ON)
    await redrive(desk)
    assert [sid for push in await desk.deliver_all() for sid in push] == sids


async def test_a_redriven_push_stays_within_the_byte_cap(desk):
    await desk.account()
    sids = await desk.submit(9)
    old = await desk.exhaust()
    await desk.set(max_bytes=1000)
    await desk.store.redrive_push(old.id, desk.now)
    pushes = await desk.deliver_all()
    assert [sid for push in pushes for sid in push] == sids
    assert max(len(push) for push in pushes) < 9


async def test_a_redriven_report_is_counted_once(desk):
    await desk.account()
    await desk.submit(3)
    await desk.exhaust()
    await desk.store.redrive_account(
        "acme", since=None, until=None, states=frozenset({State.EXHAUSTED}), now=desk.now
    )
    account = await desk.get()
    assert (account.reports.exhausted, account.reports.waiting) == (0, 3)
    assert (account.pushes.exhausted, account.pushes.waiting) == (1, 1)
    await desk.deliver_all()
    account = await desk.get()
    assert (account.reports.exhausted, account.reports.delivered) == (0, 3)


async def test_a_redrive_goes_out_although_the_endpoint_is_failing(desk):
    await desk.account(max_reports=1)
    await desk.submit(1)
    await desk.exhaust()
    exhausted = (await desk.pushes(state=State.EXHAUSTED))[0]
    await desk.submit(1)
    await desk.fail(await desk.claim_one())
    await desk.store.redrive_push(exhausted.id, desk.now)
    assert (await desk.claim_one()).failures == 0


async def test_after_a_redrive_failed_too_the_others_wait_for_the_retry(desk):
    await desk.account(max_reports=1)
    await desk.submit(3)
    for _ in range(3):
        await desk.exhaust()
    await desk.account(max_reports=1)
    await desk.store.redrive_account(
        "acme", since=None, until=None, states=frozenset({State.EXHAUSTED}), now=desk.now
    )
    await desk.fail(await desk.claim_one())
    assert await desk.claim() == []
    desk.turn(minutes=5)
    assert (await desk.claim_one()).failures == 1


@pytest.mark.sizes(redrive_looked_at=4)
async def test_a_redrive_in_slices_takes_every_push(desk):
    await desk.account(mode=Mode.ON, max_reports=1, max_in_flight=10)
    await desk.submit(10)
    await desk.deliver_all()
    redriven = await desk.store.redrive_account(
        "acme", since=None, until=None, states=frozenset({State.DELIVERED}), now=desk.now
    )
    assert (redriven.pushes, redriven.reports) == (10, 10)


@pytest.mark.sizes(redrive_looked_at=3)
async def test_a_redrive_takes_only_what_was_there_when_it_was_asked_for(desk):
    """Also while the customer acknowledges immediately and new reports come."""
    await desk.account(max_in_flight=32, max_reports=1)
    old = await desk.submit(12)
    await desk.deliver_all()
    sent = Counter()
    asked = asyncio.create_task(redrive(desk, {State.DELIVERED}))
    for _ in range(100):
        await desk.store.append_reports([make_batch(desk.reports(1), VOICE_STATUS)], desk.now)
        for claim in await desk.claim():
            sent.update(desk.sids(claim))
            await desk.deliver(claim)
        if asked.done():
            break
    assert (await asyncio.wait_for(asked, 5)).reports == 12
    for push in await desk.deliver_all():
        sent.update(push)
    assert {sent[sid] for sid in old} == set(sent.values()) == {1}


@pytest.mark.sizes(redrive_made=3)
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("size", [1, 4])
async def test_a_long_push_is_redriven_in_slices(desk, monkeypatch, whole, size):
    await desk.account(mode=Mode.OFF, max_reports=size)
    for _ in range(4):
        await desk.submit(7)
    await desk.set(mode=Mode.ON)
    (cover,) = await desk.pushes()
    made = []
    real = desk.store._pushes.add_waiting
    monkeypatch.setattr(
        desk.store._pushes,
        "add_waiting",
        lambda state, pushes: (made.append(len(pushes)), real(state, pushes)),
    )
    if whole:
        redriven = await redrive(desk)
    else:
        redriven = await desk.store.redrive_push(cover.id, desk.now)
    assert max(made) <= 3
    assert (redriven.pushes, redriven.reports) == (28 // size, 28)
    await desk.check()
    sent = [sid for push in await desk.deliver_all() for sid in push]
    assert sent == [f"sid-{n}" for n in range(1, 29)]
    assert (await desk.get()).reports.delivered == 28


@pytest.mark.sizes(redrive_made=2)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_long_redrive_while_others_do_the_same_sends_nothing_twice(desk, at_once):
    await desk.account(mode=Mode.OFF, max_reports=1, max_in_flight=5)
    await desk.submit(20)
    await desk.set(mode=Mode.ON)
    (cover,) = await desk.pushes()
    asked = [
        asyncio.create_task(desk.store.redrive_push(cover.id, desk.now)),
        asyncio.create_task(redrive(desk)),
        asyncio.create_task(desk.store.redrive_push(cover.id, desk.now)),
    ]
    sent = []
    while not all(one.done() for one in asked):
        sent += await desk.deliver_all() if at_once else []
        await asyncio.sleep(0.001)
    for one in asked:
        assert isinstance(one.exception(), Conflict | None)
    sent += await desk.deliver_all()
    assert sorted(sid for push in sent for sid in push) == sorted(f"sid-{n}" for n in range(1, 21))


async def test_redriven_reports_wait_since_they_were_accepted(desk):
    await desk.account(max_reports=2)
    accepted_at = []
    for _ in range(3):
        accepted_at.append(desk.now)
        await desk.submit(2)
        desk.turn(minutes=1)
    for _ in range(3):
        await desk.exhaust()
    desk.turn(days=3)
    await redrive(desk)
    for moment in accepted_at:
        assert (await desk.get()).oldest_waiting_at == moment
        await desk.reopen()
        assert (await desk.get()).oldest_waiting_at == moment
        await desk.deliver(await desk.claim_one())
    assert (await desk.get()).oldest_waiting_at is None
