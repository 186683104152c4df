"""Facts about what events make of a push."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspush.core import push as machine
from statuspush.core.lifecycle import (
    Deliver,
    Exhaust,
    ForbiddenTransition,
    Halve,
    Retry,
    State,
)
from statuspush.core.outcome import INTERRUPTED, Outcome, Verdict
from statuspush.core.push import Attempt, Claim

URL = "https://customer.example/"
NOW = 1000
FAILED = Verdict(Outcome.TIMEOUT)


def claim(token=7, url=URL):
    return Claim(token, NOW + 360_000, "here", url)


def cut(reports=10, first_seq=1):
    return machine.cut(
        1, 5, first_seq=first_seq, count=reports, accepted_at=900, claim=claim(), now=NOW
    )


def record(push, decision, verdict=FAILED, *, off=False, url=URL):
    ids = count(100)
    return machine.record(
        push,
        Attempt(push.attempts + 1, NOW, 5, verdict, push.count),
        decision,
        off=off,
        url=url,
        new_id=lambda: next(ids),
    )


def waiting(reports=10, *, sent=False):
    push = machine.queued(
        1, 5, first_seq=1, count=reports, accepted_at=900, due_at=NOW, redrive_of=None
    )
    if sent:
        push = record(machine.claimed(push, claim()), Retry(NOW)).push
    return push


def test_a_cut_push_is_claimed():
    push = cut()
    assert (push.state, push.token, push.owner) == (State.SENDING, 7, "here")
    assert (push.attempts, push.failures) == (0, 0)


def test_an_acknowledged_push_is_delivered_and_free():
    push = record(cut(), Deliver(), Verdict(Outcome.ACKNOWLEDGED, 200)).push
    assert (push.state, push.token, push.attempts, push.failures) == (State.DELIVERED, None, 1, 0)


def test_a_failed_push_waits_until_it_is_due():
    push = record(cut(), Retry(5000)).push
    assert (push.state, push.due_at, push.attempts, push.failures) == (State.WAITING, 5000, 1, 1)


def test_a_send_that_we_broke_off_is_an_attempt_but_no_failure():
    push = record(cut(), Retry(NOW), INTERRUPTED).push
    assert (push.state, push.attempts, push.failures) == (State.WAITING, 1, 0)


def test_the_last_failure_exhausts_it():
    push = record(cut(), Exhaust()).push
    assert (push.state, push.failures) == (State.EXHAUSTED, 1)


@pytest.mark.parametrize("decision", [Retry(5000), Halve(100)])
def test_nothing_is_repeated_for_an_account_that_is_off(decision):
    recorded = record(cut(), decision, off=True)
    assert recorded.push.state is State.CANCELLED
    assert recorded.halves == ()


def test_an_acknowledgement_counts_also_when_the_account_is_off():
    assert record(cut(), Deliver(), off=True).push.state is State.DELIVERED


@given(st.integers(2, 500), st.integers(1, 10_000))
def test_halves_hold_all_reports_in_order(reports, first_seq):
    push = cut(reports, first_seq)
    recorded = record(push, Halve(1000))
    one, two = recorded.halves
    assert recorded.push.state is State.CANCELLED
    assert (one.first_seq, one.end_seq, two.end_seq) == (
        push.first_seq,
        two.first_seq,
        push.end_seq,
    )
    assert one.count - two.count in (0, 1)
    assert {one.state, two.state} == {State.WAITING}
    assert one.redrive_of == two.redrive_of == push.id
    assert (one.attempts, one.failures) == (0, 0)


def test_a_size_is_learned_from_the_present_url_only():
    assert record(cut(), Halve(1000)).learned_max_bytes == 1000
    assert record(cut(), Halve(1000), url="https://new.example/").learned_max_bytes is None


def test_a_claim_given_back_leaves_no_trace():
    push = machine.returned(machine.claimed(waiting(), claim()), 2000, off=False)
    assert (push.state, push.due_at, push.token, push.attempts) == (State.WAITING, 2000, None, 0)


def test_a_claim_given_back_when_the_account_is_off_is_cancelled():
    push = machine.returned(machine.claimed(waiting(), claim()), 2000, off=True)
    assert push.state is State.CANCELLED


def test_a_waiting_push_cannot_be_recorded():
    with pytest.raises(ForbiddenTransition):
        record(waiting(), Deliver())


def test_a_split_leaves_the_first_reports_under_the_old_id():
    push, rest = machine.split(waiting(10), 4, 2)
    assert (push.id, push.first_seq, push.count) == (1, 1, 4)
    assert (rest.id, rest.first_seq, rest.count) == (2, 5, 6)
    assert push.due_at == rest.due_at


def expire(push, end, accepted_at=950):
    return machine.expire(push, end, accepted_at, lambda: 100)


def test_a_push_goes_with_the_last_of_its_reports():
    expired = expire(waiting(10), 11)
    assert (expired.reports, expired.push, expired.rest) == (10, None, None)


def test_a_push_that_was_never_sent_goes_on_with_its_younger_reports():
    expired = expire(waiting(10), 4)
    assert (expired.reports, expired.rest) == (3, None)
    assert (expired.push.id, expired.push.first_seq, expired.push.count) == (1, 4, 7)
    assert expired.push.accepted_at == 950


def test_the_younger_reports_of_a_push_that_was_sent_go_on_under_another_id():
    expired = expire(waiting(10, sent=True), 4)
    assert expired.push.state is State.CANCELLED
    rest = expired.rest
    assert (rest.id, rest.first_seq, rest.count) == (100, 4, 7)
    assert (rest.attempts, rest.failures, rest.redrive_of) == (0, 1, 1)


@given(st.integers(1, 20), st.integers(1, 25), st.booleans())
def test_retention_loses_and_keeps_every_report_once(reports, end, sent):
    push = waiting(reports, sent=sent)
    expired = expire(push, end)
    lasting = expired.rest or (expired.push if not sent else None)
    kept = lasting.count if lasting is not None else 0
    assert expired.reports + kept == reports or end <= push.first_seq
