"""The judge notices every kind of loss."""

import pytest

from statuspush.demo.journal import Journal


@pytest.fixture
def journal():
    """Four reports of one customer accepted, two of them acknowledged, one of these twice."""
    journal = Journal(["a"], timed=["a"])
    journal.submitting("a", ["1", "2", "3", "4"])
    journal.accepted("a", ["1", "2", "3", "4"])
    journal.arrived("a", ["1", "2", "3"], 1)
    journal.acknowledged("a", ["1", "2"])
    journal.arrived("a", ["1"], 2)
    journal.acknowledged("a", ["1"])
    return journal


def test_the_judge_adds_up(journal):
    """Repeats and retries are counted, and only what is open is asked for."""
    assert journal.unacknowledged("a") == {"3", "4"}
    account = journal.settle("a", {"3": "waiting", "4": "exhausted"})
    assert (account.accepted, account.lost_count, account.strangers) == (4, 0, 0)
    assert account.states["delivered"] == 2
    assert account.states["waiting"] == account.states["exhausted"] == 1
    assert account.repeats == 1
    assert (journal.entries["a"].pushes, journal.entries["a"].retries) == (2, 1)


@pytest.mark.parametrize("word", [None, "delivered", "expired", "nonsense"])
def test_the_judge_believes_no_delivery_that_the_customer_did_not_see(journal, word):
    """A report that the service doesn't know, or says it has delivered, is lost."""
    account = journal.settle("a", {"3": word, "4": "sending"})
    assert (account.lost, account.lost_count) == (("3",), 1)


def test_the_judge_notices_what_nobody_submitted(journal):
    """A report can't come from nowhere."""
    journal.arrived("a", ["x"], 1)
    assert journal.settle("a", {"3": "waiting", "4": "waiting"}).strangers == 1


def test_a_submission_that_was_not_answered_is_not_judged(journal):
    """Only the 202 makes the service responsible."""
    journal.submitting("a", ["5"])
    assert journal.settle("a", {"3": "waiting", "4": "waiting"}).accepted == 4
