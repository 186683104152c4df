"""Order within an account, turns among accounts, and the lanes that keep them apart."""

import asyncio
from itertools import chain

import pytest
from tests.scaffolding import until

from statuspush.core.errors import ServiceError
from statuspush.core.outcome import Cause, Unanswered
from statuspush.dispatcher import claiming


async def test_while_a_send_is_open_reports_gather_for_the_next_push(house, customers):
    """No timer: real time when quiet, full pushes under load."""
    await house.account("acme")
    customers.answer("acme", customers.HANG, customers.ACK)
    first = await house.submit("acme")
    await house.settle()
    later = []
    for _ in range(5):
        later += await house.submit("acme", 2)
        await house.settle()
    assert customers.sids("acme") == [first]
    customers.release("acme")
    await house.settle()
    assert customers.sids("acme") == [first, later]


@pytest.mark.parametrize("allowed", [1, 3])
async def test_an_account_has_never_more_open_than_it_allows(house, customers, allowed):
    """max_in_flight pushes at once, cut in the order of acceptance."""
    await house.account("acme", max_in_flight=allowed, max_reports=2)
    customers.answer("acme", customers.HANG)
    sids = await house.submit("acme", 12)
    await house.settle()
    assert customers.open == allowed
    while customers.open:
        assert customers.open <= allowed
        customers.release("acme")
        await house.settle()
    assert [*chain.from_iterable(customers.sids("acme"))] == sids


async def test_a_failing_account_has_one_send_open_whatever_it_allows(house, customers):
    """The probe is one push; the others follow when it is acknowledged."""
    await house.account("acme", max_in_flight=3, max_reports=1)
    customers.answer("acme", customers.WRONG, customers.HANG)
    await house.submit("acme")
    await house.settle()
    await house.submit("acme", 6)
    await house.after(300)
    assert customers.open == 1
    customers.release("acme")
    await house.settle()
    assert customers.open == 3


async def test_first_sends_are_in_the_order_of_acceptance(house, customers):
    """Over many submissions, accounts and answers, each report's first send is in order."""
    names = ["acme", "bolt", "cord"]
    await house.account(*names, max_reports=3)
    for name in names:
        customers.answer(name, *[customers.WRONG, customers.ACK, customers.TOO_LARGE] * 20)
    for count in (1, 4, 2, 9, 3):
        for name in names:
            await house.submit(name, count)
        await house.settle()
        await house.after(150)
    for _ in range(40):
        await house.after(300)
    for name in names:
        firsts = list(dict.fromkeys(chain.from_iterable(customers.sids(name))))
        assert firsts == house.submitted[name]


async def test_accounts_take_turns_in_a_small_lane(houses, customers):
    """50 accounts with deep backlogs and room for five: nobody has two pushes before all one."""
    house = await houses(good=5)
    names = [f"a{number}" for number in range(50)]
    await house.account(*names, max_reports=10)
    for name in names:
        await house.submit(name, 40)
    await house.settle()
    turns = [post.request.url for post in customers.posts]
    assert len(turns) == 200
    for start in range(0, 200, 50):
        assert len(set(turns[start : start + 50])) == 50


async def test_300_hung_endpoints_do_not_hold_up_a_sound_one(houses, customers):
    """Once they are slow they leave the good lane, however many they are."""
    house = await houses(good=20, suspect=10, slow_seconds=0.25)
    hung = [f"h{number}" for number in range(300)]
    await house.account("sound", *hung)
    for name in hung:
        customers.answer(name, customers.HANG)
    await house.submit_each(*hung)
    for round_ in range(1, 16):
        await house.settle()
        assert customers.open == 20 * round_
        house.clock.turn(0.25)
    for delivered in range(1, 11):
        await house.submit("sound")
        await house.settle()
        assert len(customers.to("sound")) == delivered
    assert house.open_sends.room() == (20, 0)


async def test_hung_endpoints_have_only_the_suspect_lane_when_they_are_tried_again(
    houses, customers
):
    """After a failure an endpoint begins in the suspect lane, and waits for room there."""
    house = await houses(good=20, suspect=10, slow_seconds=0.25)
    hung = [f"h{number}" for number in range(30)]
    await house.account("sound", *hung)
    for name in hung:
        customers.answer(name, customers.WRONG, customers.HANG)
    await house.submit_each(*hung)
    await house.settle()
    await house.after(300)
    assert customers.open == 10
    assert house.open_sends.room() == (20, 0)
    await house.submit("sound")
    await house.settle()
    assert len(customers.to("sound")) == 1
    customers.release("h0")
    await house.settle()
    assert customers.open == 10


async def test_a_slow_endpoint_is_suspect_until_it_is_quick_again(houses, customers):
    """An acknowledgement that came late is one, but it costs the place in the good lane."""
    house = await houses(good=10, suspect=1, slow_seconds=1)
    await house.account("slow", "hung")
    customers.answer("hung", customers.WRONG, customers.HANG)
    await house.submit("hung")
    await house.settle()
    await house.after(300)
    customers.answer("slow", customers.late(1.5, customers.ACK), customers.ACK)
    await house.submit("slow")
    await house.settle()
    await house.submit("slow")
    await house.settle()
    assert len(customers.to("slow")) == 1
    customers.release("hung")
    await house.settle()
    assert len(customers.to("slow")) == 2
    customers.answer("hung", customers.WRONG, customers.HANG)
    await house.submit("hung")
    await house.settle()
    await house.after(300)
    await house.submit("slow")
    await house.settle()
    assert len(customers.to("slow")) == 3


# the loop itself


@pytest.fixture
async def running(house):
    """The loops of the service, for what they do of themselves."""
    loops = [asyncio.create_task(house.claiming.run()), asyncio.create_task(house.recorder.run())]
    yield house
    house.claiming.stop()
    house.recorder.stop()
    await asyncio.wait_for(asyncio.gather(*loops), 5)


async def test_the_loops_send_what_is_accepted(running, customers):
    """Accepting wakes cutting, and an outcome written wakes it again."""
    await running.account("acme", max_reports=1)
    await running.submit("acme", 5)
    await until(lambda: len(customers.posts) == 5)


async def test_the_loop_sends_a_retry_although_its_timer_stood_still(
    running, customers, monkeypatch
):
    """The clock goes on while the machine is suspended, a timer of the loop does not."""
    monkeypatch.setattr(claiming, "_LONGEST_WAIT_SECONDS", 0.01)
    await running.account("acme")
    customers.answer("acme", customers.WRONG, customers.ACK)
    await running.submit("acme")
    await until(lambda: len(customers.posts) == 1 and not len(running.open_sends))
    running.clock.turn(300)
    await until(lambda: len(customers.posts) == 2)


async def test_slow_sends_leave_the_good_lane_while_the_loop_never_rests(houses, customers):
    """Steady work for the loop is no reason to leave hung sends in the way."""
    house = await houses(good=3, slow_seconds=0.25)
    await house.account("acme", "bolt", "cord", "sound")
    for name in ("acme", "bolt", "cord"):
        customers.answer(name, customers.HANG)
        await house.submit(name)
    loop = asyncio.create_task(house.claiming.run())
    await until(lambda: customers.open == 3)
    await house.submit("sound")
    house.clock.turn(0.25)
    async with asyncio.timeout(5):
        while not customers.to("sound"):
            house.claiming.wake()
            await asyncio.sleep(0)
    house.claiming.stop()
    await loop


async def test_the_loop_rests_while_every_lane_is_full(houses, customers):
    """A retry that is due and has no room is no reason to turn without end."""
    house = await houses(good=1, suspect=1, slow_seconds=3600)
    await house.account("first", "second", "sound")
    customers.answer("first", customers.WRONG, customers.HANG)
    customers.answer("second", customers.WRONG)
    customers.answer("sound", customers.HANG)
    await house.submit("first")
    await house.settle()
    await house.after(10)
    await house.submit("second")
    await house.settle()
    await house.after(290)
    await house.submit("sound")
    await house.settle()
    assert house.open_sends.room() == (0, 0)
    house.clock.turn(10)
    before = house.store.calls["next_due"]
    loop = asyncio.create_task(house.claiming.run())
    await asyncio.sleep(0.12)
    house.claiming.stop()
    await loop
    assert house.store.calls["next_due"] - before <= 5


async def test_the_loop_tries_again_after_the_store_failed(running, customers, monkeypatch):
    """A store that is unavailable for a while stops nothing for good."""
    monkeypatch.setattr(claiming, "_STORE_PAUSE_SECONDS", 0.001)
    await running.account("acme")
    running.store.errors["claim_pushes"] = ServiceError("away")
    await running.submit("acme")
    await until(lambda: running.store.calls["claim_pushes"] > 3)
    assert customers.posts == []
    running.store.errors.clear()
    await until(lambda: len(customers.posts) == 1)


async def test_a_push_that_never_left_is_not_overtaken(house, customers):
    """A shortage of our own holds the account's newer reports back as well."""
    await house.account("acme")
    customers.answer("acme", Unanswered(Cause.INTERRUPTED, "no descriptor left"), customers.ACK)
    first = await house.submit("acme")
    await house.settle()
    later = await house.submit("acme")
    await house.settle()
    await house.after(5)
    assert customers.sids("acme") == [first, first, later]
