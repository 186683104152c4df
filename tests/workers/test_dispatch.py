"""Claims go to workers, outcomes come back, and no claim is forgotten with a worker."""

import pytest

from statuspush.core.lifecycle import Deliver, Retry
from statuspush.core.outcome import INTERRUPTED, Outcome, Verdict
from statuspush.flow.lanes import Lanes
from statuspush.store.base import Attempt, ClaimedPush, PushSettings, Recording
from statuspush.workers.claims import received
from statuspush.workers.dispatch import Dispatch

SETTINGS = PushSettings(url="https://customer.example/", secret="whsec_x")


class Clock:
    time = 1000

    def now(self):
        return self.time


class Desk:
    def __init__(self):
        self.told = []

    def tell(self, name, *args):
        self.told.append((name, *args))

    @property
    def claims(self):
        return [received(args[0]) for name, *args in self.told if name == "send"]


def claim(token, account="acme", **changes):
    fields = {
        "id": f"push_{token}",
        "account": account,
        "settings": SETTINGS,
        "fragments": b'{"sid":"1"}',
        "reports": 1,
        "attempt": 3,
        "failures": 2,
        "token": token,
        "created_at": 5,
        "suspect": False,
    }
    return ClaimedPush(**{**fields, **changes})


def delivered(token):
    attempt = Attempt(3, 1000, 1, Verdict(Outcome.ACKNOWLEDGED, 200, b"SUCCESS"), 1)
    return Recording(f"push_{token}", token, attempt, Deliver())


class House:
    def __init__(self):
        self.clock = Clock()
        self.lanes = Lanes(good=100, suspect=100, slow_seconds=1.0)
        self.recorded = []
        self.freed = 0
        self.dispatch = Dispatch(self.lanes, self.clock, put=self.recorded.append, freed=self.free)

    def free(self):
        self.freed += 1

    def start(self, claimed):
        self.lanes.enter(claimed, self.clock.now())
        self.dispatch.start(claimed)


@pytest.fixture
def house():
    return House()


@pytest.fixture
def desk(house):
    desk = Desk()
    house.dispatch.join(desk)
    return desk


async def test_nothing_may_be_sent_before_a_worker_is_there(house):
    assert house.lanes.free() == (0, 0)
    house.dispatch.join(Desk())
    assert house.lanes.free() == (100, 100)


async def test_a_worker_gets_the_claim_as_it_is(house, desk):
    sent = claim(7, suspect=True)
    house.start(sent)
    assert desk.claims == [sent]


async def test_changed_settings_go_with_the_next_claim(house, desk):
    house.start(claim(1))
    changed = PushSettings(url="https://elsewhere.example/")
    house.start(claim(2, settings=changed))
    assert [c.settings for c in desk.claims] == [SETTINGS, changed]


async def test_an_account_stays_with_its_worker(house, desk):
    other = Desk()
    house.dispatch.join(other)
    for token in range(40):
        house.start(claim(token, account=f"account-{token % 4}"))
    owners = {c.account: d for d in (desk, other) for c in d.claims}
    assert sum(len(d.claims) for d in (desk, other)) == 40
    assert all(
        {c.account for c in d.claims} == {a for a in owners if owners[a] is d}
        for d in (desk, other)
    )


async def test_an_outcome_is_recorded_and_frees_its_lane(house, desk):
    house.start(claim(1))
    assert house.lanes.open == 1
    house.dispatch.ended(delivered(1))
    assert house.recorded == [delivered(1)]
    assert house.lanes.open == 0
    assert house.freed == 2  # once for the worker, once for the lane


async def test_what_a_dead_worker_was_sending_is_due_at_once_and_does_not_count(house, desk):
    house.start(claim(1))
    house.clock.time += 250
    house.dispatch.leave(desk)
    (recording,) = house.recorded
    assert recording.decision == Retry(1250)
    assert recording.attempt == Attempt(3, 1000, 250, INTERRUPTED, reports=1)
    assert recording.token == 1
    assert house.lanes.open == 0


async def test_claims_of_other_workers_go_on_when_one_dies(house, desk):
    other = Desk()
    house.dispatch.join(other)
    for token in range(20):
        house.start(claim(token, account=f"account-{token}"))
    lost = {c.token for c in desk.claims}
    house.dispatch.leave(desk)
    assert {r.token for r in house.recorded} == lost
    assert house.lanes.open == 20 - len(lost)


async def test_nothing_is_sent_after_the_last_worker_died(house, desk):
    house.dispatch.leave(desk)
    assert house.lanes.free() == (0, 0)


async def test_a_claim_that_finds_no_worker_is_given_back(house, desk):
    house.dispatch.leave(desk)
    house.start(claim(1))
    assert [r.attempt.verdict.outcome for r in house.recorded] == [Outcome.INTERRUPTED]
    assert house.lanes.open == 0


async def test_a_late_outcome_of_a_dead_worker_is_ignored(house, desk):
    house.start(claim(1))
    house.dispatch.leave(desk)
    house.dispatch.ended(delivered(1))
    assert len(house.recorded) == 1


async def test_finishing_waits_for_open_sends(house, desk):
    house.start(claim(1))
    house.dispatch.ended(delivered(1))
    assert await house.dispatch.finish(5) == 0


async def test_finishing_breaks_off_what_stays_open(house, desk):
    house.start(claim(1))
    breaking = house.dispatch.break_off

    def break_off():
        breaking()
        house.dispatch.ended(delivered(1))

    house.dispatch.break_off = break_off
    assert await house.dispatch.finish(0) == 1
    assert desk.told[-1] == ("break_off",)
