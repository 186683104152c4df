"""Pushes that are too large for their receiver (section 2, "Size")."""

from itertools import chain

from statuspush.core.lifecycle import State


def at_most(customers, reports):
    """An endpoint that takes so many reports at once."""

    def answer(request):
        return customers.ACK if request.body.count(b"%22sid%22") <= reports else customers.TOO_LARGE

    return answer


async def test_413_halves_at_once_until_it_fits(house, customers):
    """No time passes, no report is lost, and the order is kept."""
    await house.account("acme")
    customers.answer("acme", at_most(customers, 30))
    sids = await house.submit("acme", 500)
    start = house.clock.now()
    await house.settle()
    assert house.clock.now() == start
    taken = [post.sids for post in customers.to("acme") if len(post.sids) <= 30]
    assert [*chain.from_iterable(taken)] == sids
    assert [len(post.sids) for post in customers.to("acme")][:6] == [500, 250, 125, 63, 32, 16]
    assert (await house.state("acme")).reports.delivered == 500


async def test_halves_are_taken_in_the_order_of_acceptance(house, customers):
    """However deep the halving goes and whatever time it takes, the order is kept."""
    await house.account("acme")
    customers.answer("acme", at_most(customers, 2))
    sids = await house.submit("acme", 16)
    while await house.step():
        house.clock.turn(0.001)
    taken = [post.sids for post in customers.to("acme") if len(post.sids) <= 2]
    assert [*chain.from_iterable(taken)] == sids


async def test_413_down_to_one_report(house, customers):
    """An endpoint that takes one at a time gets one at a time."""
    await house.account("acme")
    customers.answer("acme", at_most(customers, 1))
    sids = await house.submit("acme", 37)
    await house.settle()
    taken = [post.sids[0] for post in customers.to("acme") if len(post.sids) == 1]
    assert taken == sids
    assert (await house.state("acme")).reports.delivered == 37


async def test_halves_keep_the_order_and_count_their_sends_anew(house, customers):
    """A halving is no failure: the smaller push has four sends of its own."""
    await house.account("acme")
    customers.answer("acme", customers.WRONG, customers.TOO_LARGE, customers.WRONG)
    await house.submit("acme", 2)
    await house.settle()
    for _ in range(8):
        await house.after(300)
    by_push = {}
    for post in customers.to("acme"):
        by_push.setdefault((post.push, *post.sids), []).append(post.attempt)
    assert list(by_push.values()) == [[1, 2], [1, 2, 3, 4], [1, 2, 3, 4]]


async def test_the_learned_size_holds_for_what_is_cut_next(house, customers):
    """The receiver's limit is found once, not with each push."""
    await house.account("acme")
    customers.answer("acme", at_most(customers, 60))
    await house.submit("acme", 100)
    await house.settle()
    asked = len(customers.posts)
    sids = await house.submit("acme", 200)
    await house.settle()
    later = customers.sids("acme")[asked:]
    assert max(map(len, later)) <= 60
    assert [*chain.from_iterable(later)] == sids


async def test_the_learned_size_survives_a_restart(house, customers):
    """It is a setting on disk."""
    await house.account("acme")
    customers.answer("acme", at_most(customers, 60))
    await house.submit("acme", 100)
    await house.settle()
    await house.restart()
    asked = len(customers.posts)
    await house.submit("acme", 200)
    await house.settle()
    assert max(map(len, customers.sids("acme")[asked:])) <= 60


async def test_a_single_report_with_413_is_a_failure_like_any_other(house, customers):
    """Four sends, five minutes apart, then exhausted."""
    await house.account("acme")
    customers.answer("acme", customers.TOO_LARGE)
    await house.submit("acme")
    await house.settle()
    for _ in range(5):
        await house.after(300)
    sent = customers.to("acme")
    assert [post.attempt for post in sent] == [1, 2, 3, 4]
    assert [post.at - sent[0].at for post in sent] == [0, 300_000, 600_000, 900_000]
    assert [push.state for push in await house.pushes("acme")] == [State.EXHAUSTED]


async def test_always_413_ends_every_report_alone_and_exhausted(house, customers):
    """Bisected to single reports, each sent four times; then nothing is left waiting."""
    await house.account("acme")
    customers.answer("acme", customers.TOO_LARGE)
    sids = await house.submit("acme", 8)
    await house.settle()
    for _ in range(60):
        await house.after(300)
    alone = [post.sids[0] for post in customers.to("acme") if len(post.sids) == 1]
    assert {sid: alone.count(sid) for sid in sids} == dict.fromkeys(sids, 4)
    state = await house.state("acme")
    assert (state.reports.exhausted, state.reports.waiting) == (8, 0)


async def test_a_restart_between_halves_loses_neither(house, customers):
    """Both halves are on disk with the outcome that made them."""
    await house.account("acme")
    customers.answer("acme", at_most(customers, 2))
    sids = await house.submit("acme", 8)
    while (await house.state("acme")).reports.delivered < 8:
        await house.step()
        await house.restart()
    assert [*chain.from_iterable(p for p in customers.sids("acme") if len(p) <= 2)] == sids
