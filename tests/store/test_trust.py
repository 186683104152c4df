"""Facts about a person's word that an endpoint is well: how long it holds."""

from statuspush.core.lifecycle import State
from statuspush.core.outcome import Outcome

EXHAUSTED = {"since": None, "until": None, "states": frozenset({State.EXHAUSTED})}
NEW_URL = "https://new.example/status"


async def failing(desk):
    """An exhausted push, and a retry that waits; returns the sids of the first."""
    await desk.account()
    sids = await desk.submit(2)
    await desk.exhaust()
    await desk.submit(2)
    await desk.fail(await desk.claim_one())
    return sids


async def test_a_redrive_is_sent_though_a_retry_waits(desk):
    sids = await failing(desk)
    await desk.store.redrive_account("acme", **EXHAUSTED, now=desk.now)
    assert [desk.sids(claim) for claim in await desk.claim()] == [sids]


async def test_a_restart_does_not_take_the_word_back(desk):
    sids = await failing(desk)
    await desk.store.redrive_account("acme", **EXHAUSTED, now=desk.now)
    await desk.reopen()
    assert [desk.sids(claim) for claim in await desk.claim()] == [sids]


async def test_the_next_outcome_after_a_restart_decides_also_by_a_clock_set_back(desk):
    sids = await failing(desk)
    await desk.store.redrive_account("acme", **EXHAUSTED, now=desk.now)
    await desk.store.close()
    desk.turn(days=-2)
    await desk.open()
    await desk.store.hasten_retries(0, desk.now)
    claim = await desk.claim_one()
    assert desk.sids(claim) == sids
    await desk.fail(claim)
    await desk.fail(await desk.claim_one())  # the retry
    await desk.submit(1)
    assert await desk.claim() == []


async def test_a_send_to_the_old_url_says_nothing_of_the_new_one(desk):
    await desk.account(max_in_flight=2)
    await desk.submit(1)
    old = await desk.claim_one()
    await desk.set(url=NEW_URL)
    await desk.fail(old)
    sids = await desk.submit(1)
    (claim,) = await desk.claim()
    assert desk.sids(claim) == sids
    await desk.fail(claim)
    await desk.submit(1)
    assert await desk.claim() == []


async def test_a_send_from_before_a_redrive_does_not_take_the_word_back(desk):
    await desk.account(max_in_flight=2, max_reports=1)
    first = await desk.submit(1)
    await desk.exhaust()
    await desk.set(url=NEW_URL)
    await desk.submit(2)
    one, two = await desk.claim()
    await desk.fail(one)
    await desk.store.redrive_account("acme", **EXHAUSTED, now=desk.now)
    await desk.record(two, Outcome.TIMEOUT)
    assert [desk.sids(claim) for claim in await desk.claim()] == [first]
