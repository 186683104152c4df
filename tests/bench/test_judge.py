"""The limit is what was saturated, and what hides the other limits is named first."""

import pytest

from statuspush.bench.judge import Limit, disturbed, limit_of


@pytest.mark.parametrize(
    ("busy", "limit"),
    [
        ({"store": 0.95, "worker": 0.6}, Limit.STORE_CORE),
        ({"worker": 0.93, "store": 0.6}, Limit.WORKER_CORES),
        ({"all_cores": 0.97, "store": 0.8, "worker": 0.85}, Limit.ALL_CORES),
        ({"disk": 0.7, "store": 0.2}, Limit.DISK),
        ({"sink": 0.95, "store": 0.5}, Limit.CUSTOMER),
        ({"load": 0.92, "store": 0.5}, Limit.LOAD),
        ({"store": 0.5, "worker": 0.5, "disk": 0.1}, Limit.NOTHING),
        ({}, Limit.NOTHING),
    ],
)
def test_what_is_saturated_is_the_limit(shares, busy, limit):
    """One thing at a time."""
    assert limit_of(shares(**busy)) is limit


@pytest.mark.parametrize("ours", ["load", "sink"])
def test_a_saturated_part_of_the_test_is_named_before_the_service(shares, ours):
    """The figure is then not one of the service."""
    limit = limit_of(shares(**{ours: 0.95}, store=0.95, all_cores=1.0, disk=0.9))
    assert limit in (Limit.LOAD, Limit.CUSTOMER)


def test_a_process_that_waits_for_a_core_wants_it(shares):
    """It is the limit though others took the core from it."""
    assert limit_of(shares(store=0.6, store_wanted=0.95)) is Limit.STORE_CORE
    assert limit_of(shares(worker=0.6, worker_wanted=0.95)) is Limit.WORKER_CORES


def test_a_full_machine_is_named_before_what_waits_for_it(shares):
    """Processes and the disk wait because cores are short."""
    busy = shares(all_cores=0.99, store=0.5, store_wanted=0.99, disk=0.6)
    assert limit_of(busy) is Limit.ALL_CORES


@pytest.mark.parametrize(
    ("store", "disk", "limit"),
    [(0.45, 0.48, Limit.DISK), (0.6, 0.35, Limit.STORE_CORE), (0.4, 0.4, Limit.NOTHING)],
)
def test_store_and_disk_take_turns(shares, store, disk, limit):
    """Together they fill the time: the larger part is the limit."""
    assert limit_of(shares(store=store, store_wanted=store, disk=disk)) is limit


def test_other_programs_are_noticed(shares):
    """From a notable part of the machine on."""
    assert disturbed(shares(others=0.3))
    assert not disturbed(shares(others=0.05))
