"""Facts about outcomes: what becomes of a push, of its account's standing, and of its history."""

import pytest
from msgspec.structs import replace

from statuspush.core.contract import Mode
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.lifecycle import State
from statuspush.core.outcome import Outcome, Verdict
from statuspush.store.base import Health, StateCounts


async def test_an_acknowledged_push_is_delivered(desk):
    await desk.account()
    await desk.submit(3)
    claim = await desk.claim_one()
    desk.turn(ms=1500)
    await desk.deliver(claim, ms=1000, status=200)
    detail = await desk.store.get_push(claim.id)
    assert detail.push.state is State.DELIVERED
    assert detail.push.delivered_at == desk.now
    assert detail.push.due_at is None
    account = await desk.get()
    assert account.pushes == StateCounts(delivered=1)
    assert account.reports == StateCounts(delivered=3)


async def test_a_delivered_push_is_not_sent_again(desk):
    await desk.account()
    await desk.submit(3)
    await desk.deliver(await desk.claim_one())
    await desk.reopen()
    desk.turn(days=1)
    assert await desk.claim() == []


async def test_a_failed_push_waits_for_its_time(desk):
    await desk.account()
    await desk.submit(2)
    claim = await desk.claim_one()
    await desk.fail(claim)
    detail = await desk.store.get_push(claim.id)
    assert detail.push.state is State.WAITING
    assert detail.push.due_at == desk.now + desk.RETRY_MS
    account = await desk.get()
    assert account.pushes == StateCounts(waiting=1)
    assert account.reports == StateCounts(waiting=2)


async def test_a_push_is_exhausted_after_its_fourth_failure(desk):
    await desk.account()
    await desk.submit(2)
    attempts = []
    for _ in range(VOICE_STATUS.max_sends):
        claim = await desk.claim_one()
        attempts.append((claim.attempt, claim.failures))
        await desk.fail(claim)
        desk.turn(minutes=5)
    assert attempts == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert await desk.push_state(claim.id) is State.EXHAUSTED
    assert await desk.claim() == []
    account = await desk.get()
    assert account.pushes == StateCounts(exhausted=1)
    assert account.reports == StateCounts(exhausted=2)


async def test_the_history_of_a_push_is_kept_word_for_word(desk):
    await desk.account()
    await desk.submit(2)
    recordings = []
    for outcome in (Outcome.TIMEOUT, Outcome.WRONG_ANSWER, Outcome.ACKNOWLEDGED):
        claim = await desk.claim_one()
        recordings.append(desk.recording(claim, outcome, ms=20, status=200))
        await desk.store.record_outcomes([recordings[-1]], desk.now)
        desk.turn(minutes=5)
    await desk.reopen()
    detail = await desk.store.get_push(claim.id)
    assert list(detail.attempts) == [recording.attempt for recording in recordings]
    assert detail.push.attempts == 3


async def test_an_outcome_with_another_token_is_refused(desk):
    await desk.account()
    await desk.submit()
    old = await desk.claim_one()
    await desk.store.release_claims([old], desk.now)
    new = await desk.claim_one()
    assert await desk.record(old, Outcome.ACKNOWLEDGED) == [False]
    assert await desk.push_state(old.id) is State.SENDING
    assert (await desk.store.get_push(old.id)).attempts == ()
    await desk.deliver(new)


async def test_an_outcome_is_taken_once(desk):
    await desk.account()
    await desk.submit()
    claim = await desk.claim_one()
    assert await desk.record([claim, claim], Outcome.HTTP_ERROR) == [True, False]
    assert await desk.record(claim, Outcome.ACKNOWLEDGED) == [False]
    assert await desk.push_state(claim.id) is State.WAITING
    assert (await desk.get()).health.consecutive_failures == 1


async def test_a_refused_outcome_leaves_the_others_of_its_call(desk):
    await desk.account("a")
    await desk.account("b")
    await desk.submit(1, "a")
    await desk.submit(1, "b")
    first, second = await desk.claim()
    await desk.deliver(first)
    assert await desk.record([first, second], Outcome.ACKNOWLEDGED) == [False, True]
    assert await desk.push_state(second.id) is State.DELIVERED


@pytest.mark.parametrize("push", ["psh_0000000000000", "nonsense", ""])
async def test_an_outcome_of_an_unknown_push_is_refused(desk, push):
    await desk.account()
    await desk.submit()
    claim = await desk.claim_one()
    other = desk.recording(claim, Outcome.ACKNOWLEDGED)
    written = await desk.store.record_outcomes([replace(other, push=push)], desk.now)
    assert list(written) == [False]


async def test_a_push_that_is_too_large_is_halved_in_order(desk):
    await desk.account()
    sids = await desk.submit(5)
    claim = await desk.claim_one()
    await desk.too_large(claim)
    assert await desk.push_state(claim.id) is State.CANCELLED
    first = await desk.claim_one()
    assert first.id > claim.id
    assert desk.sids(first) == sids[:3]
    assert (first.attempt, first.failures) == (1, 0)
    await desk.deliver(first)
    second = await desk.claim_one()
    assert second.id > first.id
    assert desk.sids(second) == sids[3:]
    assert (second.attempt, second.failures) == (1, 0)
    await desk.deliver(second)
    account = await desk.get()
    assert account.pushes == StateCounts(delivered=2, cancelled=1)
    assert account.reports == StateCounts(delivered=5)


async def test_halving_keeps_the_order_before_what_is_not_cut_yet(desk):
    await desk.account(max_reports=8)
    sids = await desk.submit(10)
    await desk.too_large(await desk.claim_one(), half_bytes=50_000)
    pushes = await desk.deliver_all()
    assert [sid for push in pushes for sid in push] == sids
    assert [len(push) for push in pushes] == [4, 4, 2]


async def test_halving_goes_down_to_single_reports(desk):
    await desk.account()
    sids = await desk.submit(5)
    sent = []
    while claims := await desk.claim():
        for claim in claims:
            if claim.reports > 1:
                await desk.too_large(claim)
            else:
                sent += desk.sids(claim)
                await desk.deliver(claim)
    assert sent == sids


async def test_halving_forgets_the_failures_so_far(desk):
    await desk.account()
    await desk.submit(4)
    for _ in range(3):
        await desk.fail(await desk.claim_one())
        desk.turn(minutes=5)
    await desk.too_large(await desk.claim_one())
    first = await desk.claim_one()
    assert first.failures == 0
    assert first.reports == 2


async def test_half_of_the_size_refused_is_remembered_for_the_account(desk):
    await desk.account()
    await desk.submit(4)
    await desk.too_large(await desk.claim_one(), half_bytes=1000)
    assert (await desk.get()).learned_max_bytes == 1000
    await desk.reopen()
    assert (await desk.get()).learned_max_bytes == 1000


async def test_the_remembered_size_only_shrinks(desk):
    await desk.account()
    await desk.learn(700)
    await desk.submit(4)
    await desk.too_large(await desk.claim_one(), half_bytes=1000)
    assert (await desk.get()).learned_max_bytes == 700


async def test_the_halves_name_the_push_they_replace(desk):
    await desk.account()
    await desk.submit(4)
    claim = await desk.claim_one()
    await desk.too_large(claim)
    pushes = await desk.pushes()
    assert [push.redrive_of for push in pushes if push.state is State.WAITING] == [claim.id] * 2
    (attempt,) = (await desk.store.get_push(claim.id)).attempts
    assert attempt.reports == 4


async def test_a_size_refused_at_an_old_url_is_not_remembered_for_the_new_one(desk):
    await desk.account()
    await desk.submit(4)
    claim = await desk.claim_one()
    await desk.set(url="https://new.example/status")
    await desk.too_large(claim)
    assert (await desk.get()).learned_max_bytes is None


async def test_an_interrupted_send_does_not_count(desk):
    await desk.account()
    await desk.submit()
    for _ in range(6):
        claim = await desk.claim_one()
        assert claim.failures == 0
        assert await desk.record(claim, Outcome.INTERRUPTED) == [True]
    health = (await desk.get()).health
    assert health.consecutive_failures == 0
    assert health.last_verdict is None
    assert len((await desk.store.get_push(claim.id)).attempts) == 6


async def test_the_accounts_health_follows_its_outcomes(desk):
    await desk.account()
    await desk.submit()
    claim = await desk.claim_one()
    desk.turn(ms=300)
    await desk.fail(claim, ms=200)
    assert (await desk.get()).health == Health(
        consecutive_failures=1,
        last_verdict=Verdict(Outcome.HTTP_ERROR, None, b"answer"),
        last_attempt_at=desk.now - 200,
        last_delivered_at=None,
        retry_due_at=desk.now + desk.RETRY_MS,
    )
    desk.turn(minutes=5)
    await desk.deliver(await desk.claim_one(), ms=100)
    await desk.reopen()
    assert (await desk.get()).health == Health(
        last_verdict=Verdict(Outcome.ACKNOWLEDGED),
        last_attempt_at=desk.now - 100,
        last_delivered_at=desk.now,
    )


async def test_failures_are_counted_over_pushes(desk):
    await desk.account(max_reports=1, max_in_flight=3)
    await desk.submit(3)
    await desk.fail([claim for _ in range(3) for claim in await desk.claim()])
    assert (await desk.get()).health.consecutive_failures == 3


async def test_a_push_too_large_is_no_failure_of_the_endpoint(desk):
    await desk.account()
    await desk.submit(2)
    await desk.too_large(await desk.claim_one())
    assert (await desk.get()).health.consecutive_failures == 0


async def test_a_single_report_too_large_is_retried(desk):
    await desk.account()
    await desk.submit(1)
    claim = await desk.claim_one()
    await desk.too_large(claim)
    assert await desk.push_state(claim.id) is State.WAITING
    assert desk.store.next_due() == desk.now + desk.RETRY_MS


async def test_released_claims_are_due_at_once_and_uncounted(desk):
    await desk.account()
    await desk.submit(2)
    claim = await desk.claim_one()
    await desk.store.release_claims([claim], desk.now)
    assert (await desk.get()).pushes == StateCounts(waiting=1)
    again = await desk.claim_one()
    assert (again.id, again.fragments) == (claim.id, claim.fragments)
    assert (again.attempt, again.failures) == (1, 0)
    assert again.token != claim.token


async def test_releasing_a_lost_claim_does_nothing(desk):
    await desk.account()
    await desk.submit()
    claim = await desk.claim_one()
    await desk.deliver(claim)
    await desk.store.release_claims([claim], desk.now)
    assert await desk.push_state(claim.id) is State.DELIVERED


async def test_a_claim_whose_lease_is_over_is_taken_back(desk):
    await desk.account()
    await desk.submit()
    claim = await desk.claim(lease_ms=1000)
    desk.turn(ms=999)
    await desk.settle()
    assert await desk.claim() == []
    desk.turn(ms=1)
    await desk.settle()
    again = await desk.claim_one()
    assert again.id == claim[0].id
    assert await desk.record(claim, Outcome.ACKNOWLEDGED) == [False]
    await desk.deliver(again)


async def test_a_claim_whose_lease_is_over_may_have_been_sent(desk):
    """So it is an attempt, and what goes out under its id stays as it was."""
    await desk.account()
    await desk.submit(6)
    (lost,) = await desk.claim(lease_ms=1000)
    desk.turn(minutes=1)
    await desk.sweep()
    await desk.set(max_bytes=700)
    (again,) = await desk.claim()
    assert (again.id, again.fragments) == (lost.id, lost.fragments)
    assert (lost.attempt, again.attempt, again.failures) == (1, 2, 0)
    await desk.deliver(again)
    attempts = (await desk.store.get_push(again.id)).attempts
    assert [(one.number, one.verdict.outcome, one.reports) for one in attempts] == [
        (1, Outcome.INTERRUPTED, 6),
        (2, Outcome.ACKNOWLEDGED, 6),
    ]


async def test_an_extended_lease_ends_later(desk):
    await desk.account()
    await desk.submit(1)
    (claim,) = await desk.claim(lease_ms=1000)
    assert await desk.store.extend_claims(desk.OWNER, desk.now + desk.MINUTE) == [claim.token]
    desk.turn(ms=59_000)
    assert await desk.store.take_back_claims(desk.now) == 0
    desk.turn(ms=1000)
    assert await desk.store.take_back_claims(desk.now) == 1


async def test_extending_is_for_the_claims_of_one_owner(desk):
    await desk.account()
    await desk.submit(1)
    (claim,) = await desk.claim(lease_ms=1000, owner="there")
    assert await desk.store.extend_claims("here", desk.now + desk.MINUTE) == []
    desk.turn(ms=1000)
    assert await desk.store.take_back_claims(desk.now) == 1
    assert await desk.record(claim, Outcome.ACKNOWLEDGED) == [False]


async def test_the_claims_of_an_owner_that_is_gone_are_taken_back(desk):
    await desk.account("acme")
    await desk.account("bolt")
    await desk.submit(1, "acme")
    (lost,) = await desk.claim(owner="there")
    await desk.submit(1, "bolt")
    (kept,) = await desk.claim(owner="here")
    assert await desk.store.take_back_claims(desk.now, owner="there") == 1
    assert await desk.record([lost, kept], Outcome.ACKNOWLEDGED) == [False, True]
    await desk.deliver(await desk.claim_one())


async def test_claims_outlive_a_restart_until_they_are_taken_back(desk):
    await desk.account()
    await desk.submit(1)
    (claim,) = await desk.claim()
    await desk.reopen(take_back=False)
    assert await desk.claim() == []
    await desk.deliver(claim)


async def test_an_outcome_after_the_lease_but_before_the_sweep_is_taken(desk):
    await desk.account()
    await desk.submit()
    claims = await desk.claim(lease_ms=1000)
    desk.turn(minutes=1)
    await desk.deliver(claims)


# switches


async def test_switched_off_meanwhile_a_retry_is_cancelled(desk):
    await desk.account()
    await desk.submit(2)
    claim = await desk.claim_one()
    await desk.set(mode=Mode.OFF)
    await desk.fail(claim)
    assert await desk.push_state(claim.id) is State.CANCELLED
    assert (await desk.get()).reports == StateCounts(cancelled=2)
    await desk.set(mode=Mode.ON)
    desk.turn(minutes=5)
    assert await desk.claim() == []


async def test_switched_off_meanwhile_an_interrupted_send_is_cancelled(desk):
    await desk.account()
    await desk.submit(2)
    claim = await desk.claim_one()
    await desk.set(mode=Mode.OFF)
    await desk.record(claim, Outcome.INTERRUPTED)
    assert await desk.push_state(claim.id) is State.CANCELLED


async def test_switched_off_meanwhile_a_push_too_large_is_cancelled_whole(desk):
    await desk.account()
    await desk.submit(4)
    claim = await desk.claim_one()
    await desk.set(mode=Mode.OFF)
    await desk.too_large(claim)
    assert (await desk.get()).pushes == StateCounts(cancelled=1)
    assert (await desk.get()).reports == StateCounts(cancelled=4)


async def test_switched_off_meanwhile_an_acknowledged_push_is_delivered(desk):
    await desk.account()
    await desk.submit()
    claim = await desk.claim_one()
    await desk.set(mode=Mode.OFF)
    await desk.deliver(claim)
    assert await desk.push_state(claim.id) is State.DELIVERED


async def test_switched_off_meanwhile_a_released_claim_is_cancelled(desk):
    await desk.account()
    await desk.submit()
    claim = await desk.claim_one()
    await desk.set(mode=Mode.OFF)
    await desk.store.release_claims([claim], desk.now)
    assert await desk.push_state(claim.id) is State.CANCELLED
    await desk.set(mode=Mode.ON)
    assert await desk.claim() == []


async def test_switched_off_meanwhile_a_claim_whose_lease_is_over_is_cancelled(desk):
    await desk.account()
    await desk.submit()
    (claim,) = await desk.claim(lease_ms=1000)
    await desk.set(mode=Mode.OFF)
    desk.turn(minutes=1)
    await desk.settle()
    assert await desk.push_state(claim.id) is State.CANCELLED


async def test_switched_off_meanwhile_a_claim_of_a_dead_process_is_cancelled(desk):
    await desk.account()
    await desk.submit()
    claim = await desk.claim_one()
    await desk.set(mode=Mode.OFF)
    await desk.reopen()
    detail = await desk.store.get_push(claim.id)
    assert detail.push.state is State.CANCELLED
    assert [attempt.verdict.outcome for attempt in detail.attempts] == [Outcome.INTERRUPTED]
    await desk.set(mode=Mode.ON)
    assert await desk.claim() == []


async def test_switching_off_cancels_what_waits_and_what_is_not_cut(desk):
    await desk.account(max_reports=2)
    sids = await desk.submit(7)
    await desk.fail(await desk.claim_one())
    await desk.set(mode=Mode.OFF)
    account = await desk.get()
    assert account.pushes == StateCounts(cancelled=2)
    assert account.reports == StateCounts(cancelled=7)
    assert [push.reports for push in await desk.pushes()] == [5, 2]
    rest = await desk.store.get_push((await desk.pushes())[0].id)
    assert desk.sids(rest) == sids[2:]


async def test_reports_accepted_while_off_are_kept_but_not_pushed_when_on(desk):
    await desk.account(mode=Mode.OFF)
    await desk.submit(3)
    assert await desk.claim() == []
    assert (await desk.get()).reports == StateCounts()
    await desk.set(mode=Mode.ON)
    assert (await desk.get()).reports == StateCounts(cancelled=3)
    new = await desk.submit(2)
    assert await desk.deliver_all() == [new]


async def test_switching_off_with_nothing_waiting_makes_no_push(desk):
    await desk.account()
    await desk.set(mode=Mode.OFF)
    await desk.set(mode=Mode.ON)
    assert await desk.pushes() == []


async def test_off_to_paused_covers_what_came_meanwhile(desk):
    await desk.account(mode=Mode.OFF)
    await desk.submit(3)
    await desk.set(mode=Mode.PAUSED)
    assert (await desk.get()).reports == StateCounts(cancelled=3)


async def test_paused_keeps_the_backlog_and_sends_nothing(desk):
    await desk.account(max_reports=2)
    sids = await desk.submit(3)
    await desk.fail(await desk.claim_one())
    await desk.set(mode=Mode.PAUSED)
    sids += await desk.submit(2)
    desk.turn(minutes=10)
    assert await desk.claim() == []
    assert (await desk.get()).reports == StateCounts(waiting=5)
    await desk.set(mode=Mode.ON)
    assert [sid for push in await desk.deliver_all() for sid in push] == sids


async def test_paused_meanwhile_a_retry_waits_on(desk):
    await desk.account()
    await desk.submit()
    claim = await desk.claim_one()
    await desk.set(mode=Mode.PAUSED)
    await desk.fail(claim)
    desk.turn(minutes=10)
    assert await desk.claim() == []
    await desk.set(mode=Mode.ON)
    assert (await desk.claim_one()).id == claim.id


# restarts


async def test_a_push_of_a_dead_process_waits_again_due_at_once(desk):
    await desk.account()
    await desk.submit(3)
    claim = await desk.claim_one()
    desk.turn(minutes=1)
    await desk.reopen()
    detail = await desk.store.get_push(claim.id)
    assert detail.push.state is State.WAITING
    assert detail.push.due_at == desk.now
    (attempt,) = detail.attempts
    assert (attempt.number, attempt.verdict.outcome) == (1, Outcome.INTERRUPTED)
    again = await desk.claim_one()
    assert (again.id, again.fragments) == (claim.id, claim.fragments)
    assert (again.attempt, again.failures) == (2, 0)
    assert await desk.record(claim, Outcome.ACKNOWLEDGED) == [False]


async def test_interruptions_by_restarts_never_exhaust_a_push(desk):
    await desk.account()
    await desk.submit()
    for _ in range(6):
        claim = await desk.claim_one()
        await desk.reopen()
    again = await desk.claim_one()
    assert (again.id, again.attempt, again.failures) == (claim.id, 7, 0)


async def test_a_schedule_survives_a_restart(desk):
    await desk.account()
    await desk.submit()
    await desk.fail(await desk.claim_one())
    due = desk.store.next_due()
    desk.turn(minutes=2)
    await desk.reopen()
    desk.now = due - 1
    assert await desk.claim() == []
    desk.now = due
    claim = await desk.claim_one()
    assert (claim.attempt, claim.failures, claim.suspect) == (2, 1, True)


async def test_pushes_of_a_dead_process_are_sent_again_in_order(desk):
    await desk.account(max_reports=2, max_in_flight=3)
    sids = await desk.submit(8)
    for _ in range(3):
        await desk.claim()
    await desk.reopen()
    assert [sid for push in await desk.deliver_all() for sid in push] == sids


async def test_nothing_is_said_to_wait_since_what_is_being_sent(desk):
    await desk.account()
    await desk.submit()
    await desk.claim_one()
    assert (await desk.get()).oldest_waiting_at is None


async def test_a_waiting_push_has_waited_since_its_oldest_report_was_accepted(desk):
    await desk.account()
    accepted_at = desk.now
    await desk.submit()
    desk.turn(minutes=1)
    await desk.submit()
    await desk.fail(await desk.claim_one())
    desk.turn(minutes=1)
    await desk.submit()
    assert (await desk.get()).oldest_waiting_at == accepted_at
    await desk.reopen()
    assert (await desk.get()).oldest_waiting_at == accepted_at
