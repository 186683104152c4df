"""Facts about looking up pushes and reports."""

import pytest

from statuspush.core.contract import Mode
from statuspush.core.errors import InputError
from statuspush.core.lifecycle import State
from statuspush.core.outcome import Outcome
from statuspush.store.base import UnknownPush


async def test_pushes_are_listed_newest_first_in_pages(desk):
    await desk.account(max_reports=1)
    await desk.submit(7)
    await desk.deliver_all()
    pushes = await desk.pushes(limit=100)
    assert len(pushes) == 7
    assert [push.id for push in pushes] == sorted((push.id for push in pushes), reverse=True)
    for limit in (1, 2, 3, 6, 7, 8):
        assert await desk.pushes(limit=limit) == pushes


async def test_the_last_page_has_no_next(desk):
    await desk.account(max_reports=1)
    await desk.submit(4)
    await desk.deliver_all()
    page = await desk.store.list_pushes("acme", state=None, cursor=None, limit=4)
    assert page.next is None
    page = await desk.store.list_pushes("acme", state=None, cursor=None, limit=3)
    assert page.next is not None


async def test_pages_do_not_shift_when_new_pushes_come(desk):
    await desk.account(max_reports=1)
    await desk.submit(4)
    await desk.deliver_all()
    first = await desk.store.list_pushes("acme", state=None, cursor=None, limit=2)
    await desk.submit(2)
    await desk.deliver_all()
    second = await desk.store.list_pushes("acme", state=None, cursor=first.next, limit=2)
    shown = [
        sid
        for push in [*first.items, *second.items]
        for sid in desk.sids(await desk.store.get_push(push.id))
    ]
    assert shown == ["sid-4", "sid-3", "sid-2", "sid-1"]


@pytest.mark.parametrize("state", State)
async def test_pushes_are_listed_by_state(desk, state):
    await desk.account(max_reports=1, max_in_flight=2)
    await desk.submit(3)
    await desk.set(mode=Mode.OFF)
    await desk.set(mode=Mode.ON)
    await desk.submit(1)
    await desk.exhaust()
    await desk.submit(2)
    await desk.deliver_all()
    await desk.submit(2)
    first, _second = await desk.claim() + await desk.claim()
    await desk.fail(first)
    found = await desk.pushes(state=state, limit=1)
    assert {push.state for push in found} == {state}
    assert len(found) == (2 if state is State.DELIVERED else 1)


async def test_pushes_of_another_account_are_not_listed(desk):
    await desk.account("a")
    await desk.account("b")
    await desk.submit(1, "a")
    await desk.deliver_all()
    assert await desk.pushes("b") == []


@pytest.mark.parametrize(
    "cursor", ["", "psh_", "nonsense", "psh_iiiiiiiiiiiii", "psh_zzzzzzzzzzzzz"]
)
async def test_a_bad_cursor_is_refused(desk, cursor):
    await desk.account()
    with pytest.raises(InputError):
        await desk.store.list_pushes("acme", state=None, cursor=cursor, limit=1)


@pytest.mark.parametrize("push", ["", "psh_", "psh_0000000000000", "psh_zzzzzzzzzzzzz", "x" * 99])
async def test_an_unknown_push_is_not_got(desk, push):
    await desk.account()
    with pytest.raises(UnknownPush):
        await desk.store.get_push(push)


async def test_a_push_shows_its_reports(desk):
    await desk.account(max_reports=6)
    for _ in range(5):
        await desk.submit(2)
    first = await desk.claim_one()
    detail = await desk.store.get_push(first.id)
    assert detail.fragments == first.fragments
    assert detail.push.account == "acme"
    assert detail.push.created_at == desk.now
    await desk.deliver(first)
    second = await desk.claim_one()
    assert (await desk.store.get_push(second.id)).fragments == second.fragments


@pytest.mark.parametrize("key", ["sid", "mobile", "uid"])
async def test_a_report_is_found_by_each_of_its_keys(desk, key):
    await desk.account("a")
    await desk.account("b")
    for number in range(1, 12):
        await desk.append([desk.report(number, "a"), desk.report(number + 100, "b")])
    values = {"sid": "sid-{}", "mobile": "152{:08d}", "uid": "order-{}"}
    for number in (1, 5, 11):
        (found,) = await desk.find(**{key: values[key].format(number)})
        assert (found.account, found.seq) == ("a", number)
        assert desk.sids(found.fragment) == [f"sid-{number}"]
        (found,) = await desk.find(**{key: values[key].format(number + 100)})
        assert found.account == "b"
        assert await desk.find(account="a", **{key: values[key].format(number + 100)}) == []
    assert await desk.find(**{key: "none"}) == []


async def test_reports_are_found_after_a_restart(desk):
    await desk.account()
    await desk.submit(5)
    await desk.submit(5)
    await desk.reopen()
    for number in range(1, 11):
        assert len(await desk.find(sid=f"sid-{number}")) == 1


async def test_reports_of_one_mobile_come_newest_first_up_to_the_limit(desk):
    await desk.account()
    for _ in range(6):
        await desk.submit(2, mobile="+37258483726")
        await desk.submit(1)
    found = await desk.find(mobile="+37258483726")
    seqs = [report.seq for report in found]
    assert seqs == sorted(seqs, reverse=True)
    assert len(seqs) == 12
    limited = await desk.find(mobile="+37258483726", limit=5)
    assert limited == found[:5]


async def test_a_null_uid_is_not_found_as_text(desk):
    await desk.account()
    await desk.submit(3, uid=None)
    await desk.submit(2, uid="")
    assert await desk.find(uid="None") == []
    assert len(await desk.find(uid="")) == 2


@pytest.mark.parametrize("keys", [{}, {"sid": "1", "uid": "1"}, {"sid": "1", "mobile": "2"}])
async def test_exactly_one_key_must_be_given(desk, keys):
    await desk.account()
    with pytest.raises(InputError):
        await desk.store.find_reports(**keys)


async def test_a_report_knows_when_it_was_accepted(desk):
    await desk.account()
    await desk.submit(2)
    desk.turn(minutes=3)
    await desk.submit(2)
    assert (await desk.find(sid="sid-2"))[0].accepted_at == desk.START
    assert (await desk.find(sid="sid-3"))[0].accepted_at == desk.now


async def test_a_report_that_is_not_cut_yet_waits(desk):
    await desk.account(max_reports=2)
    await desk.submit(4)
    await desk.claim_one()
    (found,) = await desk.find(sid="sid-3")
    assert (found.state, found.pushes) == (State.WAITING, [])


async def test_a_report_accepted_while_off_has_no_state(desk):
    await desk.account(mode=Mode.OFF)
    await desk.submit()
    (found,) = await desk.find(sid="sid-1")
    assert found.state is None


async def test_a_report_that_is_paused_waits(desk):
    await desk.account(mode=Mode.PAUSED)
    await desk.submit()
    (found,) = await desk.find(sid="sid-1")
    assert found.state is State.WAITING


async def test_a_report_shows_every_push_with_its_attempts(desk):
    await desk.account()
    await desk.submit(3)
    old = await desk.exhaust()
    (new,) = (await desk.store.redrive_push(old.id, desk.now)).ids
    await desk.deliver(await desk.claim_one())
    (found,) = await desk.find(sid="sid-2")
    assert found.state is State.DELIVERED
    assert [push.push.id for push in found.pushes] == [old.id, new]
    assert [len(push.attempts) for push in found.pushes] == [4, 1]
    assert found.pushes[1].attempts[0].verdict.outcome is Outcome.ACKNOWLEDGED
    assert {push.fragments for push in found.pushes} == {b""}


async def test_a_report_of_a_long_cancelled_period_shows_its_push(desk):
    await desk.account(mode=Mode.OFF)
    await desk.submit(1200)
    await desk.set(mode=Mode.ON)
    for number in (1, 600, 1200):
        (found,) = await desk.find(sid=f"sid-{number}")
        assert found.state is State.CANCELLED
        assert [push.push.reports for push in found.pushes] == [1200]


async def test_a_report_is_in_the_half_it_was_sent_in(desk):
    await desk.account()
    await desk.submit(4)
    claim = await desk.claim_one()
    await desk.too_large(claim)
    first, second = await desk.find(sid="sid-2"), await desk.find(sid="sid-3")
    whole, half = [push.push for push in first[0].pushes]
    assert (whole.id, half.reports) == (claim.id, 2)
    assert second[0].pushes[0].push.id == claim.id
    assert second[0].pushes[1].push.id not in (whole.id, half.id)


# the second cursor


async def test_pull_hands_out_each_report_once_oldest_first(desk):
    await desk.account()
    sids = await desk.submit(5)
    pulled = [desk.sids(await desk.store.pull_reports("acme", 2, desk.now)) for _ in range(4)]
    assert pulled == [sids[:2], sids[2:4], sids[4:], []]
    sids = await desk.submit(2)
    assert desk.sids(await desk.store.pull_reports("acme", 100, desk.now)) == sids


async def test_pull_goes_on_where_it_was_after_a_restart(desk):
    await desk.account()
    sids = await desk.submit(5)
    await desk.store.pull_reports("acme", 2, desk.now)
    await desk.reopen()
    assert desk.sids(await desk.store.pull_reports("acme", 100, desk.now)) == sids[2:]


async def test_push_and_pull_do_not_use_up_each_other(desk):
    await desk.account()
    sids = await desk.submit(5)
    assert desk.sids(await desk.store.pull_reports("acme", 3, desk.now)) == sids[:3]
    assert await desk.deliver_all() == [sids]
    assert desk.sids(await desk.store.pull_reports("acme", 3, desk.now)) == sids[3:]


async def test_pull_hands_out_reports_accepted_while_push_is_off(desk):
    await desk.account(mode=Mode.OFF)
    sids = await desk.submit(5)
    assert desk.sids(await desk.store.pull_reports("acme", 9, desk.now)) == sids
