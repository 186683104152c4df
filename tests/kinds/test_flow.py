"""A second kind of report on its way: intake, push, retry, search."""

import asyncio
import json

import pytest
from tests.flow.conftest import Customers, House
from tests.kinds.sms_reply import SMS_REPLY
from tests.scaffolding import ManualClock

from statuspush.core.errors import StoreRefused
from statuspush.core.kinds import KINDS, VOICE_STATUS
from statuspush.core.lifecycle import State
from statuspush.core.outcome import Answered
from statuspush.core.report import InvalidReports
from statuspush.link.messages import Packing, Unpacking
from statuspush.store.base import Conflict

OK = Answered(200, b"OK")


@pytest.fixture
async def house(tmp_path):
    clock = ManualClock()
    kinds = {**KINDS, SMS_REPLY.name: SMS_REPLY}
    house = await House(tmp_path / "replies.db", clock, Customers(clock, kinds), kinds=kinds).open()
    await house.account("acme", kind=SMS_REPLY)
    house.customers.answer("acme", OK)
    yield house
    await house.close()


async def take_in(house, count=1, first=0, **changes):
    replies = [
        {"account": "acme", "id": f"r{number}", "phone": "+37258483726", "result": 3, **changes}
        for number in range(first, first + count)
    ]
    return await house.accept.accept(json.dumps(replies).encode(), SMS_REPLY, ndjson=False)


async def take_calls(house, *sids, **changes):
    (call, _) = VOICE_STATUS.samples
    sample = {key: getattr(call, key) for key in VOICE_STATUS.keys}
    calls = [sample | {"account": "calls", "sid": sid, **changes} for sid in sids]
    return await house.accept.accept(json.dumps(calls).encode(), VOICE_STATUS, ndjson=False)


async def test_a_push_is_the_kinds_parameter_with_its_keys(house):
    await take_in(house)
    await house.settle()
    (posted,) = house.customers.to("acme")
    assert posted.request.body.startswith(b"sms_reply=")
    assert posted.reports == [{"id": "r0", "phone": "+37258483726", "result": 3}]
    (push,) = await house.pushes("acme")
    assert (push.state, push.kind) == (State.DELIVERED, "sms_reply")


async def test_a_push_holds_as_many_as_the_kind_allows(house):
    """The default setting of an account, 500, notwithstanding."""
    await take_in(house, 250)
    await house.settle()
    assert [len(post.reports) for post in house.customers.to("acme")] == [100, 100, 50]


async def test_a_redrive_holds_as_many_as_the_kind_allows(house):
    house.customers.answer("acme", Answered(200, b"no"))
    await take_in(house, 150)
    for _ in range(20):
        await house.after(60)
    assert [push.state for push in await house.pushes("acme")] == [State.EXHAUSTED] * 2
    house.customers.answer("acme", OK)
    await house.store.redrive_account(
        "acme", since=None, until=None, states=frozenset({State.EXHAUSTED}), now=house.clock.now()
    )
    await house.settle()
    assert [len(post.reports) for post in house.customers.to("acme")[-2:]] == [100, 50]


async def test_an_answer_of_another_kind_is_a_failure(house):
    house.customers.answer("acme", Answered(200, b"SUCCESS"))
    await take_in(house)
    await house.settle()
    (push,) = await house.pushes("acme")
    assert (push.state, push.attempts) == (State.WAITING, 1)


async def test_a_push_that_fails_is_sent_six_times_a_minute_apart(house):
    house.customers.answer("acme", Answered(200, b"no"))
    began = house.clock.now()
    await take_in(house)
    await house.settle()
    for _ in range(60):
        await house.after(10)
    posts = house.customers.to("acme")
    assert [(post.at - began) // 1000 for post in posts] == [0, 60, 120, 180, 240, 300]
    assert len({post.request.body for post in posts}) == 1
    (push,) = await house.pushes("acme")
    assert (push.state, push.attempts) == (State.EXHAUSTED, 6)


async def test_an_id_is_accepted_once_also_after_a_restart(house):
    await take_in(house, 3)
    await house.restart()
    again = await take_in(house, 5)
    assert (again.accepted, again.duplicates) == (2, 3)


@pytest.mark.parametrize("restarted", [False, True])
async def test_reports_are_found_by_the_kinds_keys(house, restarted):
    await take_in(house, 2)
    await take_in(house, 1, first=2, phone="110")
    await house.settle()
    if restarted:
        await house.restart()
    found = await house.store.find_reports(id="r1")
    assert [(each.seq, each.state, each.kind) for each in found] == [
        (2, State.DELIVERED, "sms_reply")
    ]
    assert [each.seq for each in await house.store.find_reports(phone="+37258483726")] == [2, 1]
    assert [each.seq for each in await house.store.find_reports(phone="110")] == [3]


async def test_nothing_is_found_by_a_key_of_another_kind(house):
    await take_in(house)
    assert await house.store.find_reports(sid="r0") == []


async def test_reports_of_another_kind_are_an_error_of_the_account(house):
    (voice, _) = VOICE_STATUS.samples
    report = {key: getattr(voice, key) for key in VOICE_STATUS.keys} | {"account": "acme"}
    with pytest.raises(InvalidReports) as refusal:
        await house.accept.accept(json.dumps([report] * 2).encode(), VOICE_STATUS, ndjson=False)
    assert [(error.index, error.field) for error in refusal.value.errors] == [
        (0, "account"),
        (1, "account"),
    ]
    assert "reports of kind sms_reply, not voice_status" in refusal.value.errors[0].words.en
    assert (await house.state("acme")).accepted_reports == 0


@pytest.mark.parametrize("restarted", [False, True])
async def test_an_account_of_each_kind_has_its_reports_beside_the_other(house, restarted):
    """In one commit and one stretch of the log: an id that both have is no duplicate."""
    await house.account("calls")
    await asyncio.gather(take_in(house, 2), take_calls(house, "r0", "r1", mobile="+37258483726"))
    await house.settle()
    if restarted:
        await house.restart()
    again = await asyncio.gather(take_in(house, 3), take_calls(house, "r1", "r2"))
    assert [(each.accepted, each.duplicates) for each in again] == [(1, 2), (1, 1)]
    await house.settle()
    assert [post.sids for post in house.customers.to("acme")] == [["r0", "r1"], ["r2"]]
    assert [post.sids for post in house.customers.to("calls")] == [["r0", "r1"], ["r2"]]
    for key, kind in (("id", "sms_reply"), ("sid", "voice_status")):
        found = await house.store.find_reports(**{key: "r1"})
        assert [(each.kind, each.state) for each in found] == [(kind, State.DELIVERED)]
    found = await house.store.find_reports(mobile="+37258483726")
    assert [each.account for each in found] == ["calls"] * 2


async def test_reports_of_a_deleted_account_are_passed_over_at_a_start(house):
    await house.account("calls")
    await take_in(house)
    await take_calls(house, "r0")
    await house.settle()
    await house.store.delete_account("acme", force=True, now=house.clock.now())
    await house.restart()
    assert await house.store.find_reports(id="r0") == []
    (found,) = await house.store.find_reports(sid="r0")
    assert found.account == "calls"


async def test_the_kind_of_an_account_stays_as_it_is(house):
    with pytest.raises(Conflict, match="acme takes reports of kind sms_reply"):
        await house.store.put_account("acme", "Acme", b"", house.clock.now())
    assert (await house.state("acme")).kind == "sms_reply"


async def test_a_store_with_accounts_of_an_unknown_kind_is_refused(house, tmp_path):
    await house.close()
    house.kinds = KINDS
    with pytest.raises(StoreRefused, match="acme takes reports of kind sms_reply"):
        await house.open()
    house.kinds = {**KINDS, SMS_REPLY.name: SMS_REPLY}
    await house.open()


async def test_a_start_hastens_retries_by_the_interval_of_each_kind(house):
    await house.account("calls")
    house.customers.answer("acme", Answered(200, b"no"))
    house.customers.answer("calls", Answered(200, b"no"))
    await take_in(house)
    await take_calls(house, "r0")
    await house.settle()
    house.clock.turn(-3600)
    await house.restart()
    due = {
        account: (await house.pushes(account))[0].due_at - house.clock.now()
        for account in ("acme", "calls")
    }
    assert due == {"acme": 60_000, "calls": 300_000}


async def test_a_test_push_sends_the_kinds_samples(house):
    account = await house.state("acme")
    tested = await house.send.test_push(account.push, account.kind)
    assert (tested.verdict.acknowledged, tested.reports) == (True, 1)
    assert house.customers.posts[0].reports[0]["id"] == "r1"


async def test_a_claim_keeps_its_kind_on_the_way_to_a_worker(house):
    await take_in(house)
    (claim,) = await house.store.claim_pushes(
        house.clock.now(), limit=1, suspect_limit=1, lease_ms=1000, owner="test"
    )
    assert claim.kind == "sms_reply"
    assert Unpacking().claim(Packing().send(claim)) == claim
