"""Facts about the standing of an endpoint: what attempts and people make of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspush.core.lifecycle import Deliver, Exhaust, Halve, Retry
from statuspush.core.outcome import INTERRUPTED, Outcome, Verdict
from statuspush.core.standing import NEW, Standing, after_attempt, trusted

ACKNOWLEDGED = Verdict(Outcome.ACKNOWLEDGED, 200, b"SUCCESS")
FAILED = Verdict(Outcome.HTTP_ERROR, 500, b"oops", "words")
TOO_LARGE = Verdict(Outcome.TOO_LARGE, 413)


def attempt(standing, verdict, decision, *, token=10, slow=False):
    return after_attempt(
        standing, verdict, decision, token=token, started_at=1000, ended_at=1200, slow=slow
    )


def failing(failures=1):
    standing = NEW
    for _ in range(failures):
        standing = attempt(standing, FAILED, Retry(0))
    return standing


def test_a_new_endpoint_is_neither_failing_nor_suspect():
    assert not NEW.failing
    assert not NEW.suspect


@pytest.mark.parametrize("decision", [Retry(0), Exhaust()])
def test_a_failure_makes_it_failing_and_suspect(decision):
    standing = attempt(NEW, FAILED, decision)
    assert (standing.failures, standing.failing, standing.suspect) == (1, True, True)
    assert standing.last_verdict == FAILED


def test_failures_are_counted_until_an_acknowledgement():
    assert failing(3).failures == 3
    assert attempt(failing(3), ACKNOWLEDGED, Deliver()).failures == 0


def test_of_an_acknowledgement_the_letters_are_not_kept():
    standing = attempt(NEW, ACKNOWLEDGED, Deliver())
    assert standing.last_verdict == Verdict(Outcome.ACKNOWLEDGED, 200)
    assert (standing.last_attempt_at, standing.last_delivered_at) == (1000, 1200)


def test_a_failure_keeps_when_it_last_delivered():
    delivered = attempt(NEW, ACKNOWLEDGED, Deliver())
    assert attempt(delivered, FAILED, Retry(0)).last_delivered_at == 1200


def test_an_answer_of_413_that_halves_a_push_is_no_failure():
    assert not attempt(NEW, TOO_LARGE, Halve()).failing


def test_what_we_broke_off_says_nothing():
    assert attempt(failing(), INTERRUPTED, Retry(0)) == failing()


def test_a_slow_endpoint_is_suspect_until_it_is_quick():
    slow = attempt(NEW, ACKNOWLEDGED, Deliver(), slow=True)
    assert (slow.suspect, slow.failing) == (True, False)
    assert not attempt(slow, ACKNOWLEDGED, Deliver()).suspect


def test_a_trusted_endpoint_does_not_count_as_failing():
    standing = trusted(failing(), 20)
    assert (standing.failing, standing.suspect) == (False, True)


@pytest.mark.parametrize(("token", "failing_again"), [(20, False), (21, True)])
def test_only_a_claim_after_a_persons_word_ends_it(token, failing_again):
    standing = attempt(trusted(failing(), 20), FAILED, Retry(0), token=token)
    assert standing.failing is failing_again


@given(
    st.lists(
        st.sampled_from([(ACKNOWLEDGED, Deliver()), (FAILED, Retry(0)), (INTERRUPTED, Retry(0))])
    )
)
def test_it_fails_exactly_when_the_last_attempt_that_counts_failed(attempts):
    standing = NEW
    for verdict, decision in attempts:
        standing = attempt(standing, verdict, decision)
    counted = [verdict for verdict, _ in attempts if verdict is not INTERRUPTED]
    assert standing.failing is bool(counted and counted[-1] is FAILED)


def test_a_standing_is_a_value():
    assert Standing() == NEW
