"""Lanes by themselves: which sends hold whose room."""

import pytest

from statuspush.core.settings import PushSettings
from statuspush.flow.lanes import Lanes
from statuspush.store.base import ClaimedPush


def claim(token, *, suspect=False):
    return ClaimedPush(
        id=f"psh_{token}",
        account="acme",
        settings=PushSettings(),
        fragments=b"",
        reports=1,
        attempt=1,
        failures=0,
        token=token,
        created_at=0,
        suspect=suspect,
    )


@pytest.fixture
def lanes():
    return Lanes(good=3, suspect=2, slow_seconds=0.25)


def test_each_lane_has_its_own_room(lanes):
    """A send takes room in the lane its endpoint's standing gives it."""
    lanes.enter(claim(1), 0)
    lanes.enter(claim(2, suspect=True), 0)
    assert (lanes.free(), lanes.open) == ((2, 1), 2)


def test_a_send_that_ends_gives_its_room_back(lanes):
    """From either lane, and only once."""
    for one in (claim(1), claim(2, suspect=True)):
        lanes.enter(one, 0)
        lanes.leave(one)
        lanes.leave(one)
    assert (lanes.free(), lanes.open) == ((3, 2), 0)


def test_a_send_is_slow_after_its_time_and_not_before(lanes):
    """At 250 ms it leaves the good lane."""
    lanes.enter(claim(1), 1000)
    assert not lanes.move_slow(1249)
    assert lanes.free() == (3 - 1, 2)
    assert lanes.move_slow(1250)
    assert lanes.free() == (3, 1)


def test_only_slow_sends_are_moved():
    """Those begun later stay."""
    lanes = Lanes(good=4, suspect=2, slow_seconds=0.25)
    for number, began in enumerate((0, 100, 200)):
        lanes.enter(claim(number), began)
    lanes.move_slow(350)
    assert lanes.free() == (3, 0)


def test_patience_is_short_while_the_lane_is_full(lanes):
    """At a fifth of the time: others wait for the room."""
    for number in range(3):
        lanes.enter(claim(number), 1000)
    assert not lanes.move_slow(1049)
    assert lanes.free() == (0, 2)
    assert lanes.move_slow(1050)
    assert lanes.free() == (3, 0)


def test_moved_sends_may_exceed_the_suspect_lane(lanes):
    """The good lane is freed whatever the other holds; its room is never reported as negative."""
    for number in range(3):
        lanes.enter(claim(number), 0)
    lanes.move_slow(250)
    assert (lanes.free(), lanes.open) == ((3, 0), 3)
    lanes.leave(claim(0))
    assert lanes.free() == (3, 0)
    lanes.leave(claim(1))
    assert lanes.free() == (3, 1)


def test_a_moved_send_gives_back_the_room_it_has_now(lanes):
    """Not that of the lane it began in."""
    lanes.enter(claim(1), 0)
    lanes.move_slow(250)
    lanes.leave(claim(1))
    assert (lanes.free(), lanes.open) == ((3, 2), 0)


def test_a_lane_that_holds_more_than_its_room_has_none_left(lanes):
    """Room is never negative."""
    for number in range(5):
        lanes.enter(claim(number), 0)
    assert lanes.free() == (0, 2)
