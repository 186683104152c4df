"""Every report is looked for, and whatever is wrong is counted."""

import json
from urllib.parse import quote

import pytest

from statuspush.bench.reconcile import reconcile
from statuspush.bench.reports import Plan
from statuspush.bench.sink import SinkJournal

PLAN = Plan(["a", "b"], 1, "new")


def _sid(number):
    return f"new{0:013d}{number:07d}"


@pytest.fixture
def arrived(tmp_path):
    """Write a journal of (account, sids) pushes; returns its path."""

    def write(*pushes):
        journal = SinkJournal(tmp_path / "journal")
        for account, *sids in pushes:
            reports = quote(json.dumps([{"sid": sid} for sid in sids]))
            journal.write(b"/" + account.encode(), f"voice_status={reports}".encode())
        journal.close()
        return tmp_path / "journal"

    return write


def test_all_is_well(arrived):
    """Each once, at its customer."""
    found = reconcile(arrived(("a", _sid(0), _sid(2)), ("b", _sid(1))), PLAN, 3)
    assert (found.accepted, found.arrived, found.pushes) == (3, 3, 2)
    assert (found.lost, found.repeats, found.misdirected) == (0, 0, 0)
    assert found.last_arrival > 0


def test_what_did_not_arrive_is_lost(arrived):
    """And what arrived often is counted once as arrived."""
    found = reconcile(arrived(("a", _sid(0)), ("a", _sid(0)), ("a", _sid(0))), PLAN, 4)
    assert (found.arrived, found.lost, found.repeats) == (1, 3, 2)


def test_the_wrong_customer_and_strangers_are_misdirected(arrived):
    """A report of another customer, one that was never submitted, one beyond the last."""
    pushes = arrived(("b", _sid(0)), ("a", "stranger"), ("a", _sid(2)))
    found = reconcile(pushes, PLAN, 2)
    assert (found.misdirected, found.lost) == (3, 1)


def test_nothing_arrived(arrived):
    """Times are 0 then."""
    found = reconcile(arrived(), PLAN, 2)
    assert (found.lost, found.pushes, found.last_arrival) == (2, 0, 0)
