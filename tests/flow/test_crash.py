"""Deaths of the process, failures of the store, and the end of a service (section 5)."""

import asyncio
import sqlite3

import pytest

from statuspush.core.lifecycle import State
from statuspush.core.outcome import Cause, Outcome, Unanswered
from statuspush.store.base import StoreUnavailable

FULL = StoreUnavailable("database or disk is full")


async def outcomes(house, push):
    return [attempt.verdict.outcome for attempt in (await house.push(push)).attempts]


# the process dies


async def test_a_restart_in_each_gap_keeps_the_schedule_and_the_number(house, customers):
    """Four sends 300 s apart, as if nothing had happened."""
    await house.account("acme")
    customers.answer("acme", customers.WRONG)
    sids = await house.submit("acme", 3)
    await house.settle()
    for _ in range(3):
        await house.after(100)
        await house.restart()
        await house.after(199.999)
        await house.restart()
        await house.after(0.001)
    await house.after(3600)
    sent = customers.to("acme")
    assert [post.at - sent[0].at for post in sent] == [0, 300_000, 600_000, 900_000]
    assert [post.attempt for post in sent] == [1, 2, 3, 4]
    assert customers.sids("acme") == [sids] * 4
    assert [push.state for push in await house.pushes("acme")] == [State.EXHAUSTED]


async def test_a_retry_that_fell_due_while_the_service_was_down_goes_at_once(house, customers):
    """Downtime counts as waiting; nothing is skipped."""
    await house.account("acme")
    customers.answer("acme", customers.WRONG, customers.ACK)
    await house.submit("acme")
    await house.settle()
    await house.close()
    house.clock.turn(7200)
    await house.open()
    await house.settle()
    assert [post.attempt for post in customers.to("acme")] == [1, 2]


async def test_a_death_between_the_answer_and_our_record_repeats_that_push_once(house, customers):
    """The same id, number and reports once more: at least once means exactly this."""
    await house.account("acme")
    sids = await house.submit("acme", 4)
    house.losing_outcomes = True
    await house.step()
    await house.restart()
    await house.settle()
    await house.after(3600)
    first, second = customers.to("acme")
    assert (first.push, first.attempt, first.sids) == (second.push, second.attempt, second.sids)
    assert second.sids == sids
    (push,) = await house.pushes("acme")
    assert push.state is State.DELIVERED
    assert await outcomes(house, push.id) == [Outcome.INTERRUPTED, Outcome.ACKNOWLEDGED]


async def test_a_death_during_sends_never_uses_up_the_four(house, customers):
    """Ten deaths later the push still has its retries, and its endpoint counts as sound."""
    await house.account("acme")
    customers.answer("acme", customers.HANG)
    await house.submit("acme")
    for _ in range(10):
        await house.settle()
        await house.restart()
    assert (await house.state("acme")).health.consecutive_failures == 0
    customers.answer("acme", customers.WRONG)
    await house.settle()
    for _ in range(5):
        await house.after(300)
    assert [post.attempt for post in customers.to("acme")] == [1] * 10 + [1, 2, 3, 4]
    (push,) = await house.pushes("acme")
    assert (push.state, push.attempts) == (State.EXHAUSTED, 14)


async def test_what_waits_survives_a_restart_in_order(house, customers):
    """Reports accepted and never cut are cut by the next process."""
    await house.account("acme")
    sids = await house.submit("acme", 2) + await house.submit("acme", 2)
    await house.restart()
    await house.settle()
    assert customers.sids("acme") == [sids]


# the store fails


async def test_an_outcome_that_cannot_be_written_is_kept_and_written_later(house, customers):
    """The customer acknowledged once and hears nothing more of it."""
    await house.account("acme")
    sids = await house.submit("acme")
    house.store.errors["record_outcomes"] = FULL
    await house.claiming.run_once()
    await house.sent()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await house.recorder.run_once()
        house.clock.turn(60)
        await house.claiming.run_once()
    del house.store.errors["record_outcomes"]
    await house.settle()
    assert customers.sids("acme") == [sids]
    assert (await house.state("acme")).pushes.delivered == 1


async def test_an_account_sends_nothing_else_before_its_outcome_is_written(house, customers):
    """Order is kept, and what is kept in memory is bounded by the open sends."""
    await house.account("acme")
    await house.submit("acme")
    house.store.errors["record_outcomes"] = FULL
    await house.claiming.run_once()
    await house.sent()
    await house.submit("acme", 3)
    assert await house.claiming.run_once() == 0
    del house.store.errors["record_outcomes"]
    await house.settle()
    assert [len(push) for push in customers.sids("acme")] == [1, 3]


async def test_outcomes_that_arrive_during_a_failing_write_follow_in_order(house, customers):
    """None is lost or written twice."""
    await house.account("acme", "bolt")
    customers.answer("bolt", customers.HANG)
    await house.submit("acme")
    await house.submit("bolt")
    house.store.errors["record_outcomes"] = FULL
    await house.claiming.run_once()
    await house.sent()
    with pytest.raises(StoreUnavailable):
        await house.recorder.run_once()
    customers.release("bolt", customers.WRONG)
    await house.sent()
    del house.store.errors["record_outcomes"]
    assert await house.recorder.run_once() == 2
    assert await house.recorder.run_once() == 0
    assert (await house.state("acme")).pushes.delivered == 1
    assert (await house.state("bolt")).pushes.waiting == 1


async def test_an_outcome_that_arrives_during_a_write_waits_for_the_next(house, customers):
    """It is not taken for written with the others."""
    await house.account("acme", "bolt")
    customers.answer("bolt", customers.HANG)
    await house.submit("acme")
    await house.submit("bolt")
    await house.claiming.run_once()
    await house.sent()
    write = house.engine.record_outcomes

    async def meanwhile(*args):
        customers.release("bolt")
        await house.sent()
        return await write(*args)

    house.engine.record_outcomes = meanwhile
    assert await house.recorder.run_once() == 1
    assert await house.recorder.run_once() == 1
    for name in ("acme", "bolt"):
        assert (await house.state(name)).pushes.delivered == 1


async def test_outcomes_on_disk_wake_cutting(house):
    """Their accounts may send again at once, not when some timer finds out."""
    await house.account("acme")
    await house.submit("acme")
    await house.claiming.run_once()
    await house.sent()
    house.claiming._woken.clear()
    await house.recorder.run_once()
    assert house.claiming._woken.is_set()


async def test_a_commit_that_fails_at_record_sends_nothing_twice(house, customers, monkeypatch):
    """The engine rolls back and rebuilds its memory; the claim stays ours all the while."""
    await house.account("acme")
    await house.submit("acme")
    await house.claiming.run_once()
    await house.sent()

    def full():
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(house.engine._commit._transactions, "commit", full)
        with pytest.raises(StoreUnavailable):
            await house.recorder.run_once()
    assert await house.claiming.run_once() == 0
    await house.settle()
    assert len(customers.posts) == 1
    assert (await house.state("acme")).pushes.delivered == 1


async def test_a_commit_that_fails_at_claim_sends_nothing(house, customers, monkeypatch):
    """Nothing leaves before the claim is on disk; it is claimed once the disk is back."""
    await house.account("acme")
    sids = await house.submit("acme", 2)

    def full():
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(house.engine._commit._transactions, "commit", full)
        with pytest.raises(StoreUnavailable):
            await house.claiming.run_once()
    assert (customers.posts, len(house.open_sends)) == ([], 0)
    await house.settle()
    assert customers.sids("acme") == [sids]


async def test_an_outcome_kept_beyond_the_lease_is_not_sent_again(house, customers):
    """Claims with an outcome that waits to be written are not taken back meanwhile."""
    await house.account("acme")
    await house.submit("acme")
    house.store.errors["record_outcomes"] = FULL
    await house.claiming.run_once()
    await house.sent()
    with pytest.raises(StoreUnavailable):
        await house.recorder.run_once()
    house.clock.turn(400)
    del house.store.errors["record_outcomes"]
    await house.housekeeping.run_once()
    await house.settle()
    assert len(customers.posts) == 1
    assert (await house.state("acme")).pushes.delivered == 1


async def test_outcomes_that_wait_hold_back_no_other_upkeep(house, customers):
    await house.account("acme")
    await house.submit("acme")
    house.store.errors["record_outcomes"] = FULL
    await house.claiming.run_once()
    await house.sent()
    with pytest.raises(StoreUnavailable):
        await house.recorder.run_once()
    house.clock.turn(7 * 3600)
    assert await house.housekeeping.run_once()  # the end of the log is old, and is sorted
    del house.store.errors["record_outcomes"]
    await house.settle()
    assert len(customers.posts) == 1


# our own defects, and shortages of this machine


async def test_a_defect_inside_a_send_does_not_count_and_waits(house, customers):
    """It is recorded as interrupted and tried again after the interval."""
    await house.account("acme")
    customers.answer("acme", RuntimeError("a bug"), customers.ACK)
    await house.submit("acme")
    await house.settle()
    assert len(house.open_sends) == 0
    await house.after(299.999)
    assert len(customers.posts) == 1
    await house.after(0.001)
    assert [post.attempt for post in customers.to("acme")] == [1, 1]
    (push,) = await house.pushes("acme")
    assert await outcomes(house, push.id) == [Outcome.INTERRUPTED, Outcome.ACKNOWLEDGED]


async def test_a_shortage_of_descriptors_does_not_count_and_does_not_spin(house, customers):
    """The push waits some seconds instead of coming round with every commit."""
    await house.account("acme")
    shortage = Unanswered(Cause.INTERRUPTED, "Too many open files")
    customers.answer("acme", shortage, shortage, customers.ACK)
    await house.submit("acme")
    await house.settle()
    assert len(customers.posts) == 1
    await house.after(5)
    await house.after(5)
    assert [post.attempt for post in customers.to("acme")] == [1, 1, 1]
    (push,) = await house.pushes("acme")
    assert push.state is State.DELIVERED


# the service ends


async def test_a_drain_lets_open_sends_finish(house, customers):
    """What is acknowledged during the drain is recorded and not repeated."""
    await house.account("acme")
    customers.answer("acme", customers.HANG, customers.ACK)
    await house.submit("acme")
    await house.settle()
    house.claiming.stop()
    customers.release("acme")
    assert await house.worker.sends.finish(10) == 0
    await house.recorder.run_once()
    await house.restart()
    await house.settle()
    assert len(customers.posts) == 1
    assert (await house.state("acme")).pushes.delivered == 1


async def test_a_drain_breaks_off_late_sends_and_records_them(house, customers):
    """They are interrupted, due at once for the next process, and not counted."""
    await house.account("acme", "bolt")
    customers.answer("acme", customers.HANG, customers.ACK)
    await house.submit("acme")
    await house.submit("bolt")
    await house.settle()
    house.claiming.stop()
    assert await house.worker.sends.finish(0.01) == 1
    assert len(house.open_sends) == 0
    assert await house.recorder.run_once() == 1
    (push,) = await house.pushes("acme")
    assert (push.state, push.due_at) == (State.WAITING, house.clock.now())
    assert await outcomes(house, push.id) == [Outcome.INTERRUPTED]
    await house.restart()
    await house.settle()
    assert [post.attempt for post in customers.to("acme")] == [1, 1]


async def test_an_answer_that_is_there_when_the_send_is_broken_off_counts(house, customers):
    """The customer has it; to send it again would be a repeat for nothing."""
    await house.account("acme")
    await house.submit("acme")
    customers.answer("acme", customers.HANG)
    await house.claiming.run_once()
    while not customers.open:
        await asyncio.sleep(0)
    customers.release("acme")
    house.worker.sends.break_off()
    await house.sent()
    await house.recorder.run_once()
    (push,) = await house.pushes("acme")
    assert push.state is State.DELIVERED


async def test_a_send_broken_off_in_the_turn_in_which_it_began_is_recorded_too(house, customers):
    """Its lane is free again and its claim is given back."""
    await house.account("acme")
    customers.answer("acme", customers.HANG)
    await house.submit("acme")
    await house.claiming.run_once()
    while not house.worker.sends._open:
        await asyncio.sleep(0)
    house.worker.sends.break_off()
    await house.sent()
    assert await house.recorder.run_once() == 1
    assert len(house.open_sends) == 0
    (push,) = await house.pushes("acme")
    assert push.state is State.WAITING


async def test_a_stop_during_a_claim_gives_the_claim_back(house, customers):
    """Nothing is begun after the stop, and the next process sends it as the first attempt."""
    await house.account("acme")
    await house.submit("acme")
    claim = house.engine.claim_pushes

    async def stopped_meanwhile(*args, **kwargs):
        claims = await claim(*args, **kwargs)
        house.claiming.stop()
        return claims

    house.engine.claim_pushes = stopped_meanwhile
    assert await house.claiming.run_once() == 0
    assert customers.posts == []
    (push,) = await house.pushes("acme")
    assert (push.state, push.attempts) == (State.WAITING, 0)
    await house.restart()
    await house.settle()
    assert [post.attempt for post in customers.to("acme")] == [1]


# leases


async def test_a_claim_whose_lease_is_over_is_taken_back(house, customers):
    """Its outcome is refused, and the push is sent again; the lost send stays in the history."""
    await house.account("acme")
    customers.answer("acme", customers.HANG, customers.ACK)
    await house.submit("acme")
    await house.settle()
    house.clock.turn(359.999)
    await house.housekeeping.run_once()
    assert await house.claiming.run_once() == 0
    house.clock.turn(0.001)
    await house.housekeeping.run_once()
    assert await house.claiming.run_once() == 1
    await house.sent()
    customers.release("acme", customers.WRONG)
    await house.settle()
    assert len(customers.posts) == 2
    (push,) = await house.pushes("acme")
    assert push.state is State.DELIVERED
    assert await outcomes(house, push.id) == [Outcome.INTERRUPTED, Outcome.ACKNOWLEDGED]
