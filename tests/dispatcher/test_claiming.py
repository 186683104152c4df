"""How many pushes are begun in one round."""

import pytest

from statuspush.dispatcher.claiming import ROUND, SMALL_ROUND, Claiming
from statuspush.dispatcher.open_sends import OpenSends


class Endless:
    """A store that has as many pushes as are asked for, or fewer."""

    def __init__(self):
        self.asked = []
        self.has = 10_000

    def listen(self, wake):
        pass

    def may_claim(self, now, *, limit, suspect_limit):
        return True

    async def claim_pushes(self, now, *, limit, suspect_limit, lease_ms, owner):
        self.asked.append(limit)
        return [object()] * min(limit, self.has)


class Unbounded(OpenSends):
    """Takes any number of sends, and sends nothing."""

    def __init__(self):
        super().__init__(good=1000, suspect=1000, slow_seconds=1)

    def room(self):
        return 1000, 1000

    def begin(self, claims, now):
        return []


class Nothing:
    """A clock that stands still, and a recorder with nothing to do."""

    def now(self):
        return 0

    def put(self, recordings):
        pass


@pytest.fixture
def store():
    return Endless()


@pytest.fixture
async def claiming(store):
    return Claiming(store, Nothing(), Unbounded(), Nothing(), owner="test", lease_seconds=1)


async def test_a_full_round_is_followed_by_small_ones_while_submissions_come(claiming, store):
    for _ in range(3):
        claiming.expect(submitted=True)
        await claiming.run_once()
    assert store.asked == [ROUND, SMALL_ROUND, SMALL_ROUND]


async def test_rounds_are_large_when_nothing_is_submitted(claiming, store):
    for _ in range(3):
        claiming.expect()
        await claiming.run_once()
    assert store.asked == [ROUND] * 3


async def test_a_round_that_is_not_full_ends_the_small_ones(claiming, store):
    for has in (10_000, 5, 10_000):
        store.has = has
        claiming.expect(submitted=True)
        await claiming.run_once()
    assert store.asked == [ROUND, SMALL_ROUND, ROUND]
