"""What a report costs, in calls and bytes: a change that makes a hot step slow fails here.

The limits are what was counted on CPython 3.11 and a tenth more. Whoever makes a step cheaper
lowers its limit; whoever makes one dearer has to say why it is worth it. Times are measured in
``benchmarks/``.
"""

import msgspec
import pytest
from tests.costs.conftest import NOW, SHANGHAI, Calls, batch, open_store, reports, submissions
from tests.scaffolding import ManualClock

from statuspush.core.batch import make_batch
from statuspush.core.contract import Wire
from statuspush.core.decode import decode
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.lifecycle import Deliver
from statuspush.core.outcome import Answered, Outcome, Verdict
from statuspush.core.push import Attempt
from statuspush.core.push_settings import PushSettings
from statuspush.core.report import read_submissions
from statuspush.core.wire import body
from statuspush.link.messages import Packing, ToWorker, Unpacking
from statuspush.store.base import ClaimedPush, Recording
from statuspush.telemetry import Telemetry
from statuspush.worker.send import Send
from statuspush.worker.sends import Sends

CLAIM = {"limit": 1000, "suspect_limit": 0, "lease_ms": 360_000, "owner": "test"}


def show(what, measured):
    print(f"{what}: {measured:.2f}")
    return measured


# the worker's half


@pytest.mark.parametrize(("count", "limit"), [(1, 28), (1000, 0.1)])
def test_calls_to_read_a_submission(count, limit):
    data = reports(count, accounts=10)
    with Calls() as calls:
        read_submissions(data, VOICE_STATUS, ndjson=False, tz=SHANGHAI)
    assert show("a report", calls.made / count) <= limit


@pytest.mark.parametrize(
    ("count", "accounts", "limit"), [(1, 1, 23), (1000, 10, 7.7), (1000, 1000, 7.7)]
)
def test_calls_to_make_a_batch(count, accounts, limit):
    made = submissions(count, accounts=accounts)
    with Calls() as calls:
        make_batch(made, VOICE_STATUS)
    assert show("a report", calls.made / count) <= limit


@pytest.mark.parametrize(
    ("wire", "count", "limit"),
    [
        (Wire.ROBUST, 1, 22),
        (Wire.ROBUST, 500, 0.17),
        (Wire.DOUBLE, 1, 55),
        (Wire.DOUBLE, 500, 0.51),
    ],
)
def test_calls_to_build_a_body(count, limit, wire):
    (fragments,) = batch(count).bodies
    body(fragments, wire, VOICE_STATUS)  # the first one makes the kind's table
    with Calls() as calls:
        body(fragments, wire, VOICE_STATUS)
    assert show("a report", calls.made / count) <= limit


@pytest.mark.parametrize(("count", "limit"), [(1, 44), (500, 5.6)])
def test_calls_to_decode_a_body(count, limit):
    (fragments,) = batch(count).bodies
    data = body(fragments, Wire.ROBUST, VOICE_STATUS)
    with Calls() as calls:
        decode(data, VOICE_STATUS)
    assert show("a report", calls.made / count) <= limit


class Acknowledges:
    def start(self, request, done):
        done(Answered(200, b"SUCCESS"))


def test_calls_to_send_a_push_besides_the_post():
    (fragments,) = batch(1).bodies
    settings = PushSettings(url="https://customer.example/")
    claim = ClaimedPush("push_1", "account-0", "voice_status", settings, fragments, 1, 1, 0, 7, NOW)
    send = Send(Acknowledges(), ManualClock(), Telemetry(), retry_interval_ms=1, slow_seconds=1)
    ended = []
    sends = Sends(send, ManualClock(), ended=ended.append)
    with Calls() as calls:
        sends.start(claim)
    assert ended[0].decision == Deliver()
    assert show("a push", calls.made) <= 70


# between the processes


def test_bytes_of_a_claim_on_its_way_to_a_worker():
    settings = PushSettings(url="https://customer.example/", headers=(("X-Token", "t" * 40),))
    claims = [
        ClaimedPush(
            f"push_{n}", "account-0", "voice_status", settings, b"%0200d" % n, 1, 1, 0, n, NOW
        )
        for n in range(100)
    ]
    packing = Packing()
    frame = msgspec.msgpack.encode(ToWorker(sends=[packing.send(claim) for claim in claims]))
    assert show("a push, besides its reports", len(frame) / 100 - 200) <= 80


def test_calls_to_hand_a_claim_over():
    settings = PushSettings(url="https://customer.example/")
    claim = ClaimedPush("push_1", "account-0", "voice_status", settings, b"{}", 1, 1, 0, 7, NOW)
    packing, unpacking = Packing(), Unpacking()
    unpacking.claim(packing.send(claim))
    with Calls() as calls:
        unpacking.claim(packing.send(claim))
    assert show("a push", calls.made) <= 6


# the store's half


@pytest.mark.parametrize(
    ("count", "accounts", "limit"), [(1, 1, 300), (1000, 10, 0.5), (1000, 1000, 14.6)]
)
async def test_calls_to_append(tmp_path, count, accounts, limit):
    async with open_store(tmp_path, accounts) as store:
        await store.append_reports([batch(count, accounts=accounts)], NOW)
        more = batch(count, accounts=accounts, first=count)
        with Calls() as calls:
            await store.append_reports([more], NOW)
    assert show("a report", calls.made / count) <= limit


async def test_calls_of_submissions_of_one_frame(tmp_path):
    async with open_store(tmp_path, 1000) as store:
        await store.append_reports([batch(1000, accounts=1000)], NOW)
        more = [batch(1000, accounts=1000, first=1000 * n) for n in range(1, 9)]
        with Calls() as calls:
            await store.append_reports(more, NOW)
    assert show("a report", calls.made / 8000) <= 5.8


async def test_calls_of_a_push_from_claim_to_record(tmp_path):
    async with open_store(tmp_path, 100) as store:
        for first in (0, 100):
            await store.append_reports([batch(100, accounts=100, first=first)], NOW)
            with Calls() as calls:
                claims = await store.claim_pushes(NOW, **CLAIM)
                written = await store.record_outcomes(list(map(delivered, claims)), NOW)
            assert written == [True] * 100
    assert show("a push", calls.made / 100) <= 77


def delivered(claim):
    attempt = Attempt(claim.attempt, NOW, 3, Verdict(Outcome.ACKNOWLEDGED, 200, b"SUCCESS"), 1)
    return Recording(claim.id, claim.token, attempt, Deliver())


@pytest.mark.parametrize(("accounts", "limit"), [(10, 145), (1000, 168)])
async def test_bytes_written_for_a_report(tmp_path, written, accounts, limit):
    async with open_store(tmp_path, accounts) as store:
        await store.append_reports([batch(1000, accounts=accounts)], NOW)
        before = written()
        for first in range(1000, 11_000, 1000):
            await store.append_reports([batch(1000, accounts=accounts, first=first)], NOW)
        assert show("a report", (written() - before) / 10_000) <= limit


async def test_bytes_written_for_a_push(tmp_path, written):
    async with open_store(tmp_path, 1000) as store:
        await store.append_reports([batch(1000, accounts=1000)], NOW)
        before = written()
        claims = await store.claim_pushes(NOW, **CLAIM)
        await store.record_outcomes(list(map(delivered, claims)), NOW)
        assert show("a push", (written() - before) / 1000) <= 370
