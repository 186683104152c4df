"""Facts about the states of a push and what the outcome of a send decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.lifecycle import (
    FINAL,
    TABLE,
    Deliver,
    Event,
    Exhaust,
    ForbiddenTransition,
    Halve,
    Retry,
    State,
    advance,
    decide,
)
from statuspush.core.outcome import Outcome

INTERVAL = VOICE_STATUS.retry_interval_seconds * 1000
UNCOUNTED = {Outcome.ACKNOWLEDGED, Outcome.INTERRUPTED}
FAILURES = [outcome for outcome in Outcome if outcome not in UNCOUNTED]


def after(outcome, *, failures=0, reports=1, ended_at=1_000):
    return decide(
        outcome,
        failures=failures,
        reports=reports,
        ended_at=ended_at,
        retry_interval_ms=INTERVAL,
        kind=VOICE_STATUS,
    )


@pytest.mark.parametrize("failures", range(5))
def test_an_acknowledgement_delivers_on_any_send(failures):
    assert after(Outcome.ACKNOWLEDGED, failures=failures) == Deliver()


@pytest.mark.parametrize("outcome", FAILURES)
@pytest.mark.parametrize("failures", [0, 1, 2])
def test_the_first_three_failures_are_retried_five_minutes_after_the_end(outcome, failures):
    assert after(outcome, failures=failures) == Retry(due_at=1_000 + 300_000)


@pytest.mark.parametrize("outcome", FAILURES)
@pytest.mark.parametrize("failures", [3, 4])
def test_the_fourth_failure_exhausts(outcome, failures):
    assert after(outcome, failures=failures) == Exhaust()


@pytest.mark.parametrize("failures", range(4))
def test_a_send_that_we_interrupted_is_repeated_immediately_and_not_counted(failures):
    assert after(Outcome.INTERRUPTED, failures=failures) == Retry(due_at=1_000)


@pytest.mark.parametrize("failures", range(4))
def test_a_push_of_several_reports_that_is_too_large_is_halved(failures):
    assert after(Outcome.TOO_LARGE, failures=failures, reports=2) == Halve()


@pytest.mark.parametrize("state", list(State))
def test_every_state_can_be_reached(state):
    assert state in TABLE.values()


@pytest.mark.parametrize("final", FINAL)
@pytest.mark.parametrize("event", list(Event))
def test_a_finished_push_never_changes_again(final, event):
    with pytest.raises(ForbiddenTransition, match=f"a push that is {final} cannot be {event}"):
        advance(final, event)


@pytest.mark.parametrize("event", list(Event))
def test_every_event_can_happen(event):
    assert event in {known for _, known in TABLE}


def test_a_push_is_claimed_before_it_is_delivered():
    with pytest.raises(ForbiddenTransition):
        advance(State.WAITING, Event.ACKNOWLEDGED)
    assert advance(State.WAITING, Event.CLAIMED) is State.SENDING
    assert advance(State.SENDING, Event.ACKNOWLEDGED) is State.DELIVERED


def test_what_does_not_exist_cannot_be_claimed():
    with pytest.raises(ForbiddenTransition, match="a push that is not made"):
        advance(None, Event.CLAIMED)


@given(
    outcomes=st.lists(st.sampled_from([each for each in Outcome if each is not Outcome.TOO_LARGE])),
    took=st.integers(0, 60_000),
)
def test_a_push_ends_after_at_most_four_counted_sends(outcomes, took):
    now, failures, counted = 0, 0, 0
    # Whatever comes first, an endpoint that only fails from then on ends the push.
    for outcome in [*outcomes, *[Outcome.TIMEOUT] * VOICE_STATUS.max_sends]:
        ended_at = now + took
        counted += outcome is not Outcome.INTERRUPTED
        decision = after(outcome, failures=failures, ended_at=ended_at)
        if not isinstance(decision, Retry):
            break
        failures += outcome is not Outcome.INTERRUPTED
        wait = 0 if outcome is Outcome.INTERRUPTED else INTERVAL
        assert decision.due_at == ended_at + wait
        now = decision.due_at
    assert counted <= 4
    assert isinstance(decision, Deliver | Exhaust)


@given(st.integers(1, 500))
def test_halving_ends_at_single_reports(reports):
    halvings = 0
    while after(Outcome.TOO_LARGE, reports=reports) == Halve():
        reports = (reports + 1) // 2
        halvings += 1
    assert reports == 1
    assert halvings <= 9
