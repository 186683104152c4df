"""Failures, retries and exhaustion (contract section 4)."""

from itertools import pairwise

import pytest

from statuspush.core.lifecycle import State
from statuspush.core.outcome import Answered, Cause, Outcome, Unanswered

FAILURES = [
    (Answered(200, b"OK"), Outcome.WRONG_ANSWER),
    (Answered(200, b""), Outcome.WRONG_ANSWER),
    (Answered(200, b'"SUCCESS"'), Outcome.WRONG_ANSWER),
    (Answered(500, b"SUCCESS"), Outcome.HTTP_ERROR),
    (Answered(302, b"SUCCESS"), Outcome.REDIRECT),
    *(
        (Unanswered(cause, "words"), Outcome(cause.value))
        for cause in Cause
        if cause is not Cause.INTERRUPTED
    ),
]


@pytest.mark.parametrize("answer", [b"SUCCESS", b"0", b"SUCCESS\r\n", b"\xef\xbb\xbf0"])
async def test_an_acknowledged_push_is_delivered(house, customers, answer):
    """Nothing of it is ever sent again."""
    await house.account("acme")
    customers.answer("acme", Answered(200, answer))
    await house.submit("acme", 5)
    await house.settle()
    await house.after(3600)
    (push,) = await house.pushes("acme")
    assert (push.state, push.attempts, push.reports) == (State.DELIVERED, 1, 5)
    assert len(customers.posts) == 1


@pytest.mark.parametrize(("result", "outcome"), FAILURES)
async def test_every_other_result_is_a_failure_and_is_kept(house, customers, result, outcome):
    """The attempt shows what came back, and the push waits five minutes."""
    await house.account("acme")
    customers.answer("acme", result)
    await house.submit("acme")
    await house.settle()
    (push,) = await house.pushes("acme")
    assert (push.state, push.due_at) == (State.WAITING, house.clock.now() + 300_000)
    (attempt,) = (await house.push(push.id)).attempts
    assert attempt.verdict.outcome is outcome
    if isinstance(result, Answered):
        assert (attempt.verdict.http_status, attempt.verdict.answer) == (result.status, result.body)
    else:
        assert (attempt.verdict.http_status, attempt.verdict.detail) == (None, "words")


async def test_four_sends_then_the_push_is_exhausted(house, customers):
    """No fifth send, whatever the time; the attempts are all there."""
    await house.account("acme")
    customers.answer("acme", customers.WRONG)
    await house.submit("acme")
    await house.settle()
    for _ in range(10):
        await house.after(300)
    assert [post.attempt for post in customers.to("acme")] == [1, 2, 3, 4]
    (push,) = await house.pushes("acme")
    assert (push.state, push.attempts, push.due_at) == (State.EXHAUSTED, 4, None)
    assert [a.number for a in (await house.push(push.id)).attempts] == [1, 2, 3, 4]


async def test_a_retry_is_due_300_s_after_the_end_of_the_failed_send(house, customers):
    """Not after its start: a send that took 15 s moves the next one by 15 s."""
    await house.account("acme")
    customers.answer("acme", customers.late(15, customers.SILENCE))
    await house.submit("acme")
    await house.settle()
    ended = [house.clock.now()]
    for _ in range(3):
        await house.after(299.999)
        assert len(customers.posts) == len(ended)
        await house.after(0.001)
        assert len(customers.posts) == len(ended) + 1
        ended.append(house.clock.now())
    started = [post.at for post in customers.to("acme")]
    assert [start - end for start, end in zip(started[1:], ended[:-1], strict=True)] == [
        300_000
    ] * 3
    (push,) = await house.pushes("acme")
    assert [a.duration_ms for a in (await house.push(push.id)).attempts] == [15_000] * 4


async def test_a_retry_carries_the_same_reports_while_newer_ones_gather(house, customers):
    """The failing push is the probe; once it is acknowledged the rest follows as one push."""
    await house.account("acme")
    customers.answer("acme", customers.WRONG, customers.WRONG, customers.ACK)
    first = await house.submit("acme", 3)
    await house.settle()
    later = await house.submit("acme", 2)
    await house.after(300)
    later += await house.submit("acme", 2)
    await house.after(299)
    assert customers.sids("acme") == [first, first]
    await house.after(1)
    assert customers.sids("acme") == [first, first, first, later]
    bodies = [post.request.body for post in customers.to("acme")]
    assert bodies[0] == bodies[1] == bodies[2]


async def test_after_exhaustion_the_gathered_reports_go_as_the_next_push(house, customers):
    """Up to 500 at once, and they become the probe in turn."""
    await house.account("acme")
    customers.answer("acme", *[customers.WRONG] * 8, customers.ACK)
    first = await house.submit("acme")
    await house.settle()
    later = await house.submit("acme", 700)
    for _ in range(3):
        await house.after(300)
    assert customers.sids("acme") == [first] * 4 + [later[:500]]
    for _ in range(3):
        await house.after(300)
    assert customers.sids("acme") == [first] * 4 + [later[:500]] * 4 + [later[500:]]


async def test_a_failing_account_holds_only_itself(house, customers):
    """The sends of others go on while it waits."""
    await house.account("acme", "bolt")
    customers.answer("acme", customers.WRONG)
    for _ in range(5):
        await house.submit("acme")
        await house.submit("bolt")
        await house.settle()
    assert len(customers.to("acme")) == 1
    assert len(customers.to("bolt")) == 5


async def test_a_redriven_push_has_four_sends_of_its_own(house, customers):
    """A person may ask for another round after exhaustion; the reports are the same."""
    await house.account("acme")
    customers.answer("acme", customers.WRONG)
    sids = await house.submit("acme", 2)
    await house.settle()
    for _ in range(3):
        await house.after(300)
    (exhausted,) = await house.pushes("acme")
    await house.engine.redrive_push(exhausted.id, house.clock.now())
    await house.settle()
    for _ in range(5):
        await house.after(300)
    assert [post.attempt for post in customers.to("acme")] == [1, 2, 3, 4] * 2
    assert customers.sids("acme") == [sids] * 8
    assert len({post.push for post in customers.to("acme")}) == 2


async def test_an_acknowledgement_ends_the_failing_at_once(house, customers):
    """The counts start anew: the next failure has four sends again."""
    await house.account("acme")
    customers.answer("acme", *[customers.WRONG] * 3, customers.ACK, customers.WRONG)
    await house.submit("acme")
    await house.settle()
    for _ in range(3):
        await house.after(300)
    assert (await house.state("acme")).health.consecutive_failures == 0
    await house.submit("acme")
    await house.settle()
    for _ in range(3):
        await house.after(300)
    assert [post.attempt for post in customers.to("acme")] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert [push.state for push in await house.pushes("acme")] == [State.DELIVERED, State.EXHAUSTED]


async def test_2000_retries_due_at_once_go_in_rounds_and_none_starves(houses, customers):
    """Never more are open than the suspect lane holds; each account gets its one retry."""
    house = await houses(suspect=50)
    names = [f"a{number}" for number in range(2000)]
    await house.account(*names)
    for name in names:
        customers.answer(name, customers.WRONG, customers.ACK)
    await house.submit_each(*names)
    await house.settle()
    house.clock.turn(300)
    customers.posts.clear()
    rounds = []
    while await house.step():
        rounds.append(len(customers.posts))
    assert [after - before for before, after in pairwise([0, *rounds])] == [50] * 40
    assert [post.attempt for post in customers.posts] == [2] * 2000
    assert len({post.request.url for post in customers.posts}) == 2000
