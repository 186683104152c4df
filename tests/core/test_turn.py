"""Facts about an account's turn: what it sends next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspush.core.contract import Mode
from statuspush.core.lifecycle import Retry
from statuspush.core.outcome import Outcome, Verdict
from statuspush.core.standing import NEW, after_attempt
from statuspush.core.turn import Turn, learn, may_claim, next_turn

NOW = 1000
FAILING = after_attempt(
    NEW, Verdict(Outcome.TIMEOUT), Retry(0), token=1, started_at=0, ended_at=0, slow=False
)


def claimable(
    *, mode=Mode.ON, url="https://c.example/", standing=NEW, max_in_flight=2, in_flight=0
):
    return may_claim(
        mode=mode, url=url, standing=standing, max_in_flight=max_in_flight, in_flight=in_flight
    )


def turn(*, failing=False, fresh=None, retry=None, uncut=0):
    return next_turn(failing=failing, fresh=fresh, retry=retry, uncut=uncut, now=NOW)


def due(at, push, seq=1):
    return (at, seq, push)


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.PAUSED])
def test_nothing_is_sent_unless_the_interface_is_on(mode):
    assert claimable()
    assert not claimable(mode=mode)


def test_nothing_is_sent_without_a_url():
    assert not claimable(url=None)


def test_no_more_is_sent_than_the_account_allows():
    assert claimable(in_flight=1)
    assert not claimable(in_flight=2)


def test_a_failing_endpoint_is_sent_one_push():
    assert claimable(standing=FAILING)
    assert not claimable(standing=FAILING, in_flight=1)


def test_nothing_waits_nothing_is_sent():
    assert turn() is None


def test_new_reports_are_cut_immediately():
    assert turn(uncut=3) == Turn(NOW, None)


def test_a_push_that_is_due_goes_before_new_reports():
    assert turn(fresh=due(NOW, 7), uncut=3) == Turn(NOW, 7)


def test_new_reports_do_not_wait_for_a_retry_that_is_not_due():
    assert turn(retry=due(NOW + 1, 7), uncut=3) == Turn(NOW, None)


def test_new_reports_wait_for_the_retry_of_a_failing_endpoint():
    assert turn(failing=True, retry=due(NOW + 1, 7), uncut=3) == Turn(NOW + 1, 7)


def test_a_fresh_push_waits_for_the_retry_of_a_failing_endpoint():
    assert turn(failing=True, fresh=due(NOW, 8), retry=due(NOW + 1, 7)) == Turn(NOW + 1, 7)


def test_of_two_pushes_the_one_that_is_due_first_goes_first():
    assert turn(fresh=due(NOW - 1, 8), retry=due(NOW, 7)).push == 8


def test_of_pushes_due_together_the_one_with_the_older_reports_goes_first():
    assert turn(fresh=due(NOW, 8, seq=5), retry=due(NOW, 9, seq=1)).push == 9


@given(
    failing=st.booleans(),
    fresh=st.none() | st.tuples(st.integers(0, 2000), st.integers(1, 9), st.just(1)),
    retry=st.none() | st.tuples(st.integers(0, 2000), st.integers(1, 9), st.just(2)),
    uncut=st.integers(0, 3),
)
def test_only_the_retry_is_sent_while_a_retry_of_a_failing_endpoint_waits(
    failing, fresh, retry, uncut
):
    chosen = turn(failing=failing, fresh=fresh, retry=retry, uncut=uncut)
    if failing and retry is not None:
        assert chosen == Turn(retry[0], 2)
    assert (chosen is None) is (fresh is None and retry is None and not uncut)


def test_a_learned_size_only_shrinks():
    assert learn(None, 500) == 500
    assert learn(400, 500) == 400
    assert learn(600, 500) == 500
