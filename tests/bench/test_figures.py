"""Figures come from what was used in between, by whichever processes there were."""

import pytest

from statuspush.bench.figures import Moment, Observed, figures, percentile
from statuspush.bench.load_generator import Load
from statuspush.bench.processes import MachineTime, Usage
from statuspush.bench.reconcile import Reconciliation

LOAD = Load(
    requests=10,
    began=100.0,
    ended=108.0,
    cpu_seconds=0.4,
    turned_away=1,
    took=[0.1 * n for n in range(1, 11)],
    sent=[],
)
FOUND = Reconciliation(
    accepted=1000,
    arrived=1000,
    lost=0,
    repeats=0,
    misdirected=0,
    pushes=20,
    last_arrival=110.0,
)


def _moment(at, *service):
    return Moment(
        [Usage(*each) for each in service],
        Usage(99, at * 0.01, at * 0.02),
        MachineTime(busy=at, total=at * 2),
    )


@pytest.fixture
def run():
    """The figures of a run of ten seconds, eight of them with submissions."""

    def make(disk_share=0.0, committing=4.0):
        counted = {"statuspush_commit_seconds_count": 100, "statuspush_commit_seconds_sum": 1.0}
        after = {
            "statuspush_commit_seconds_count": 600,
            "statuspush_commit_seconds_sum": 1.0 + committing,
        }
        seen = Observed(
            before=_moment(0, (1, 1.0, 1.0), (2, 1.0, 1.0)),
            loaded=_moment(8, (1, 3.0, 3.4), (2, 1.5, 1.5), (3, 4.0, 4.8)),
            after=_moment(10, (1, 3.5, 4.0), (2, 1.5, 1.5), (3, 5.0, 5.0)),
            disk_share=disk_share,
            metrics_before={"statuspush_reports_stored": 7.0, **counted},
            metrics_after=after,
            memory_mb=50.0,
            resident_mb=70.0,
            grown=250_000,
            ready_seconds=1.0,
            exit_status=0,
        )
        return figures("even", LOAD, FOUND, seen)

    return make


def test_rates_are_until_the_last_arrival(run):
    """What is accepted faster than it is delivered is not sustained."""
    found = run()
    assert found.good
    assert found.stored_before == 7
    assert (found.seconds, found.reports_per_second) == (10.0, 100.0)
    assert found.accept_per_second == 125.0
    assert (found.reports_per_push, found.pushes_per_second) == (50.0, 2.0)
    assert found.bytes_per_report == 250
    assert (found.commits, found.commit_ms) == (500, 8.0)


def test_cpu_is_that_of_all_processes(run):
    """A worker that was started meanwhile counts from 0."""
    found = run()
    assert found.workers == 2
    assert found.store_us_per_report == pytest.approx(2500)
    assert found.workers_us_per_report == pytest.approx(5500)
    assert found.cpu_us_per_report == pytest.approx(8000)


def test_shares_are_those_of_the_submissions(run):
    """Of the busiest worker; what waits for the last delivery does not blur them."""
    shares = run().shares
    assert shares.store == pytest.approx(2 / 8)
    assert shares.store_wanted == pytest.approx(2.4 / 8)
    assert (shares.worker, shares.worker_wanted) == (pytest.approx(0.5), pytest.approx(0.6))
    assert shares.load == pytest.approx(0.05)
    assert shares.sink == pytest.approx(0.01)
    assert shares.all_cores == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("seen", "committing", "share"), [(0.7, 4.0, 0.7), (0.0, 9.0, 0.6), (0.05, 3.0, 0.05)]
)
def test_a_wait_for_the_disk_is_seen_or_follows_from_commits(run, seen, committing, share):
    """Some file systems do not show it in the state of a thread."""
    assert run(seen, committing).shares.disk == pytest.approx(share)


def test_percentiles():
    """Within bounds, also of few."""
    assert percentile([1.0], 0.99) == 1.0
    assert percentile([float(n) for n in range(100)], 0.5) == 50.0
