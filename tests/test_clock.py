"""The steady clock: elapsed time, whatever is done to the wall clock (fault 12)."""

import time

import pytest

from statuspush.clock import SteadyClock

HOUR_NS = 3_600 * 10**9


@pytest.fixture
def machine(monkeypatch):
    """A machine whose two clocks are turned by hand."""

    class Machine:
        wall = 1_767_323_045_678_000_000
        elapsed = 5 * HOUR_NS

        def passes(self, ns):
            self.wall += ns
            self.elapsed += ns

    machine = Machine()
    monkeypatch.setattr(time, "time_ns", lambda: machine.wall)
    monkeypatch.setattr(time, "clock_gettime_ns", lambda _: machine.elapsed)
    return machine


def test_it_starts_as_the_wall_clock(machine):
    """In milliseconds since 1970."""
    assert SteadyClock().now() == 1_767_323_045_678


def test_it_goes_on_with_elapsed_time(machine):
    """Both clocks agree as long as nobody turns one."""
    clock = SteadyClock()
    machine.passes(300 * 10**9)
    assert clock.now() == 1_767_323_045_678 + 300_000
    assert clock.skew() == 0


@pytest.mark.parametrize("change", [-HOUR_NS, HOUR_NS])
def test_a_wall_clock_turned_by_an_hour_shifts_no_delay(machine, change):
    """Five minutes are five elapsed minutes; skew tells how far the wall clock went."""
    clock = SteadyClock()
    began = clock.now()
    machine.wall += change
    assert clock.now() == began
    machine.passes(300 * 10**9)
    assert clock.now() == began + 300_000
    assert clock.skew() == change // 10**6


def test_a_new_process_adopts_the_wall_clock(machine):
    """A correction holds from the restart on."""
    SteadyClock()
    machine.wall += HOUR_NS
    clock = SteadyClock()
    assert clock.now() == machine.wall // 10**6
    assert clock.skew() == 0


def test_time_in_which_the_machine_was_suspended_counts():
    """The clock it reads is the one that goes on during a suspension."""
    clock = SteadyClock()
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    shown = clock.now()
    after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    offset = clock.start_ns
    assert (offset + before) // 10**6 <= shown <= (offset + after) // 10**6
