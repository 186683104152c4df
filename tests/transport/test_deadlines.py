"""Deadlines are kept late by at most a twentieth of a second, and never early."""

import asyncio
import time

import pytest

from statuspush.transport.deadlines import Deadlines

TICK = 0.05


class Waiting:
    """Knows when it expired."""

    def __init__(self, then=lambda: None):
        self.at = asyncio.get_running_loop().create_future()
        self._then = then

    def expire(self):
        self.at.set_result(asyncio.get_running_loop().time())
        self._then()


@pytest.fixture
async def deadlines():
    deadlines = Deadlines()
    yield deadlines
    deadlines.stop()


def soon(seconds):
    return asyncio.get_running_loop().time() + seconds


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.03, 0.06, 0.12])
async def test_nothing_expires_before_its_deadline(deadlines, seconds):
    waiting, deadline = Waiting(), soon(seconds)
    deadlines.add(waiting, deadline)
    # uvloop's clock counts whole milliseconds.
    assert deadline - 0.001 <= await waiting.at < deadline + TICK + 1


async def test_a_deadline_that_has_passed_is_noticed(deadlines):
    waiting = Waiting()
    deadlines.add(waiting, soon(-5))
    await waiting.at


async def test_what_was_discarded_does_not_expire(deadlines):
    done, waiting = Waiting(), Waiting()
    deadlines.discard(done, deadlines.add(done, soon(0)))
    deadlines.add(waiting, soon(0.06))
    await waiting.at
    assert not done.at.done()


async def test_of_two_with_one_deadline_each_may_be_discarded(deadlines):
    deadline = soon(0)
    done, waiting = Waiting(), Waiting()
    tick = deadlines.add(done, deadline)
    deadlines.add(waiting, deadline)
    deadlines.discard(done, tick)
    await waiting.at
    assert not done.at.done()


async def test_what_expires_may_add_another(deadlines):
    second = Waiting()
    first = Waiting(then=lambda: deadlines.add(second, soon(0)))
    deadlines.add(first, soon(0))
    assert await second.at >= await first.at


async def test_a_deadline_in_a_tick_that_was_slept_through_is_kept(deadlines):
    """The loop may be busy for longer than a tick, also inside of what expires."""
    first, second = Waiting(then=lambda: time.sleep(3 * TICK)), Waiting()
    deadlines.add(first, soon(0))
    deadlines.add(second, soon(1.5 * TICK))
    await asyncio.wait_for(second.at, 3)


async def test_after_a_rest_deadlines_are_kept_again(deadlines):
    for _ in range(2):
        waiting = Waiting()
        deadlines.add(waiting, soon(0))
        await waiting.at
