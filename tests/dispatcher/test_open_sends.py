"""Facts about the registry of open sends: whose room they take, who sends them, who is lost."""

import pytest

from statuspush.core.lifecycle import Deliver, Retry
from statuspush.core.outcome import INTERRUPTED, Outcome, Verdict
from statuspush.core.push import Attempt
from statuspush.core.push_settings import PushSettings
from statuspush.dispatcher.open_sends import OpenSends
from statuspush.store.base import ClaimedPush, Recording

SETTINGS = PushSettings(url="https://customer.example/", secret="whsec_x")


class Sender:
    """A worker that keeps what it is told."""

    def __init__(self):
        self.claims = []
        self.broken_off = 0

    def send(self, claim):
        self.claims.append(claim)

    def break_off(self):
        self.broken_off += 1


def claim(token, account="acme", **changes):
    fields = {
        "id": f"push_{token}",
        "account": account,
        "kind": "voice_status",
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


@pytest.fixture
async def sends():
    return OpenSends(good=3, suspect=2, slow_seconds=0.25)


@pytest.fixture
async def sender(sends):
    sender = Sender()
    sends.join(sender)
    return sender


async def test_nothing_may_be_sent_before_a_worker_is_there(sends):
    assert sends.room() == (0, 0)
    sends.join(Sender())
    assert sends.room() == (3, 2)


async def test_a_worker_is_given_the_claim(sends, sender):
    sends.begin([claim(7, suspect=True)], 1000)
    assert sender.claims == [claim(7, suspect=True)]


async def test_a_send_takes_room_by_the_standing_of_its_endpoint(sends, sender):
    sends.begin([claim(1), claim(2, suspect=True)], 0)
    assert (sends.room(), len(sends)) == ((2, 1), 2)


async def test_a_send_that_ends_gives_its_room_back_once(sends, sender):
    sends.begin([claim(1), claim(2, suspect=True)], 0)
    recordings = [delivered(1), delivered(2)]
    assert sends.ended(recordings) == recordings
    assert sends.ended(recordings) == []
    assert (sends.room(), len(sends)) == ((3, 2), 0)


async def test_a_send_is_slow_after_its_time_and_not_before(sends, sender):
    sends.begin([claim(1)], 1000)
    sends.move_slow(1249)
    assert sends.room() == (2, 2)
    sends.move_slow(1250)
    assert sends.room() == (3, 1)


async def test_only_slow_sends_are_moved():
    sends = OpenSends(good=4, suspect=2, slow_seconds=0.25)
    sends.join(Sender())
    for number, began in enumerate((0, 100, 200)):
        sends.begin([claim(number)], began)
    sends.move_slow(350)
    assert sends.room() == (3, 0)


async def test_patience_is_short_while_there_is_no_more_room(sends, sender):
    sends.begin([claim(number) for number in range(3)], 1000)
    sends.move_slow(1049)
    assert sends.room() == (0, 2)
    sends.move_slow(1050)
    assert sends.room() == (3, 0)


async def test_moved_sends_may_exceed_the_room_of_suspect_ones(sends, sender):
    sends.begin([claim(number) for number in range(3)], 0)
    sends.move_slow(250)
    assert (sends.room(), len(sends)) == ((3, 0), 3)
    sends.ended([delivered(0)])
    assert sends.room() == (3, 0)
    sends.ended([delivered(1)])
    assert sends.room() == (3, 1)


async def test_room_is_never_negative(sends, sender):
    sends.begin([claim(number) for number in range(5)], 0)
    assert sends.room() == (0, 2)


async def test_an_account_stays_with_its_worker(sends, sender):
    other = Sender()
    sends.join(other)
    sends.begin([claim(token, account=f"account-{token % 4}") for token in range(40)], 0)
    accounts = [{c.account for c in one.claims} for one in (sender, other)]
    assert len(sender.claims) + len(other.claims) == 40
    assert accounts[0].isdisjoint(accounts[1])


async def test_what_a_dead_worker_was_sending_is_due_immediately_and_does_not_count(sends, sender):
    sends.begin([claim(1)], 1000)
    (recording,) = sends.leave(sender, 1250)
    assert recording.decision == Retry(1250)
    assert recording.attempt == Attempt(3, 1000, 250, INTERRUPTED, reports=1)
    assert recording.token == 1
    assert len(sends) == 0


async def test_claims_of_other_workers_go_on_when_one_dies(sends, sender):
    other = Sender()
    sends.join(other)
    sends.begin([claim(token, account=f"account-{token}") for token in range(20)], 0)
    lost = {c.token for c in sender.claims}
    assert {recording.token for recording in sends.leave(sender, 0)} == lost
    assert len(sends) == 20 - len(lost)


async def test_nothing_is_sent_after_the_last_worker_died(sends, sender):
    sends.leave(sender, 0)
    assert sends.room() == (0, 0)


async def test_a_claim_that_finds_no_worker_is_given_back(sends, sender):
    sends.leave(sender, 0)
    (recording,) = sends.begin([claim(1)], 1000)
    assert recording.attempt.verdict == INTERRUPTED
    assert len(sends) == 0


async def test_a_late_outcome_of_a_dead_worker_is_ignored(sends, sender):
    sends.begin([claim(1)], 0)
    sends.leave(sender, 0)
    assert sends.ended([delivered(1)]) == []


async def test_it_settles_when_the_last_send_has_ended(sends, sender):
    sends.begin([claim(1)], 0)
    assert not await sends.settled(0)
    sends.ended([delivered(1)])
    assert await sends.settled(5)


async def test_breaking_off_reaches_every_worker(sends, sender):
    other = Sender()
    sends.join(other)
    sends.break_off()
    assert (sender.broken_off, other.broken_off) == (1, 1)
