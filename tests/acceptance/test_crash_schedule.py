"""Faults 13 and 12: the schedule of retries survives restarts and changes of the clock."""

import struct
import time
from itertools import pairwise

import pytest
from tests.acceptance.harness import build_shim, reports, stage
from tests.scaffolding import wait_for


def four_sends(directory, stop, *, interval, early, late):
    """A push fails four times while the service is stopped and started in each gap.

    ``stop`` ends the service. Each gap must be ``interval`` seconds, but for so many
    ``early`` and ``late``.
    """
    settings = {"retry_interval_seconds": str(interval)} if interval != 300 else {}
    with stage(directory, ["a"], **settings) as (service, customer):
        customer.behave("a", status=500, answer="out of order")
        service.submit(reports("a", "r", 7))
        for sends in range(1, 4):
            _recorded(service, sends, interval + 30)
            stop(service)
            service.start()
        _recorded(service, 4, interval + 30)
        gaps = check_sends(service, customer, interval, early, late)
        (push,) = service.pushes("a")
        assert push["state"] == "exhausted"
        time.sleep(min(interval, 5) + 0.5)
        assert customer.count() == 4  # and no fifth
    return {"sends": 4, "gaps (s)": " ".join(f"{gap:.2f}" for gap in gaps)}


def check_sends(service, customer, interval, early, late):
    """Four sends of the same reports, numbered, and so far apart; returns the gaps."""
    sends = list(customer.arrivals())
    assert [send.attempt for send in sends] == [1, 2, 3, 4]
    assert len({send.id for send in sends}) == 1
    assert all(send.reports == sends[0].reports for send in sends)
    attempts = service.push(sends[0].id)["attempts"]
    assert [(a["number"], a["http_status"]) for a in attempts] == [(n, 500) for n in range(1, 5)]
    gaps = [after.steady - before.steady for before, after in pairwise(sends)]
    for gap in gaps:
        assert interval - early <= gap <= interval + late, gaps
    return gaps


ENDED = ("waiting", "exhausted")


def _recorded(service, sends, seconds):
    def met():
        pushes = list(service.pushes("a"))
        assert len(pushes) <= 1
        assert all(push["attempts"] <= sends for push in pushes)
        return [push for push in pushes if push["attempts"] == sends and push["state"] in ENDED]

    wait_for(f"send {sends} recorded", met, seconds, every=0.05)


STOPS = {"SIGTERM": lambda service: service.terminate(), "kill -9": lambda service: service.kill()}


@pytest.mark.parametrize("stop", STOPS)
def test_a_restart_in_each_gap_keeps_the_schedule(tmp_path, stop):
    # Late by a restart on a busy machine at most; never early.
    four_sends(tmp_path, STOPS[stop], interval=1.5, early=0.1, late=10)


def clock_moves(directory, *, interval, moves, late):
    """The wall clock is moved in each gap; the gaps stay what they are."""
    directory.mkdir(parents=True, exist_ok=True)
    offset = directory / "offset"
    offset.write_bytes(struct.pack("=q", 0))
    environment = {"LD_PRELOAD": str(build_shim(directory)), "SHIM_CLOCK": str(offset)}
    with stage(directory, ["a"], environment=environment, retry_interval_seconds=str(interval)) as (
        service,
        customer,
    ):
        customer.behave("a", status=500, answer="out of order")
        service.submit(reports("a", "r", 7))
        for sends, move in enumerate(moves, 1):
            _recorded(service, sends, interval + 30)
            with offset.open("r+b") as file:
                file.write(struct.pack("=q", move))
        _recorded(service, 4, interval + 30)
        gaps = check_sends(service, customer, interval, 0.1, late)
        wait_for("it says so", lambda: service.log("clock was changed"))
    return {
        "moves (s)": " ".join(f"{move:+d}" for move in moves),
        "gaps (s)": " ".join(f"{gap:.2f}" for gap in gaps),
        "largest error (s)": round(max(abs(gap - interval) for gap in gaps), 3),
    }


def test_an_hour_forth_and_back_does_not_move_a_retry(tmp_path):
    clock_moves(tmp_path, interval=2, moves=(3600, -3600, 0), late=1)


def test_a_start_with_a_clock_that_is_behind_delays_a_retry_by_an_interval_at_most(tmp_path, shim):
    offset = tmp_path / "offset"
    offset.write_bytes(struct.pack("=q", 0))
    environment = {"LD_PRELOAD": str(shim), "SHIM_CLOCK": str(offset)}
    with stage(tmp_path, ["a"], environment=environment, retry_interval_seconds="2") as (
        service,
        customer,
    ):
        customer.behave("a", status=500, answer="out of order")
        service.submit(reports("a", "r", 7))
        _recorded(service, 1, 30)
        service.kill()
        offset.write_bytes(struct.pack("=q", -3600))
        service.start()
        _recorded(service, 2, 30)
        first, second = customer.arrivals()
        assert 1.9 <= second.steady - first.steady < 15
