"""Facts about the states of a push and what the outcome of a send decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.lifecycle import (
    TRANSITIONS,
    Deliver,
    Exhaust,
    ForbiddenTransition,
    Halve,
    Retry,
    State,
    check_transition,
    decide,
    next_state,
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
def test_a_send_that_we_interrupted_is_repeated_at_once_and_not_counted(failures):
    assert after(Outcome.INTERRUPTED, failures=failures) == Retry(due_at=1_000)


@pytest.mark.parametrize("failures", range(4))
def test_a_push_of_several_reports_that_is_too_large_is_halved(failures):
    assert after(Outcome.TOO_LARGE, failures=failures, reports=2) == Halve()


@pytest.mark.parametrize(
    ("decision", "state"),
    [
        (Deliver(), State.DELIVERED),
        (Retry(due_at=0), State.WAITING),
        (Halve(), State.CANCELLED),
        (Exhaust(), State.EXHAUSTED),
    ],
)
def test_each_decision_leads_to_its_state(decision, state):
    assert next_state(decision) is state


def test_every_state_has_a_row_in_the_table():
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize("final", [State.DELIVERED, State.EXHAUSTED, State.CANCELLED])
@pytest.mark.parametrize("other", list(State))
def test_a_finished_push_never_changes_again(final, other):
    with pytest.raises(ForbiddenTransition, match=f"a push that is {final} cannot become {other}"):
        check_transition(final, other)


def test_a_push_is_claimed_before_it_is_delivered():
    with pytest.raises(ForbiddenTransition):
        check_transition(State.WAITING, State.DELIVERED)
    check_transition(State.WAITING, State.SENDING)
    check_transition(State.SENDING, State.DELIVERED)


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
    assert next_state(decision) in {State.DELIVERED, State.EXHAUSTED}


@given(st.integers(1, 500))
def test_halving_ends_at_single_reports(reports):
    halvings = 0
    while after(Outcome.TOO_LARGE, reports=reports) == Halve():
        reports = (reports + 1) // 2
        halvings += 1
    assert reports == 1
    assert halvings <= 9
