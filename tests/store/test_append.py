"""Facts about accepting reports: numbering, duplicates, all or nothing."""

import pytest

from statuspush.core import batch
from statuspush.core.fragment import json_lines
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.kinds.voice_status import Submission
from statuspush.store.base import UnknownAccounts


@pytest.fixture(params=[1, 2, 7])
def colliding(request, monkeypatch):
    """Fingerprints take so few values that all reports look like each other."""

    monkeypatch.setattr(batch, "_hash", lambda text: (sum(text) % request.param) << 61 | 5)


async def test_accepted_reports_are_numbered_from_1_without_gaps(desk):
    await desk.account("a")
    await desk.account("b")
    for _ in range(4):
        await desk.append(desk.reports(2, "a") + desk.reports(1, "b"))
    seqs = [(await desk.find(sid=f"sid-{n}"))[0].seq for n in (1, 2, 4, 5, 7, 8, 10, 11)]
    assert seqs == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [(await desk.find(sid=f"sid-{n}"))[0].seq for n in (3, 6, 9, 12)] == [1, 2, 3, 4]


async def test_an_append_says_what_it_did(desk):
    await desk.account("a")
    await desk.account("b")
    await desk.append([desk.report(1, "a"), desk.report(1, "b")])
    appended = await desk.append([desk.report(1, "a"), desk.report(2, "b"), desk.report(2, "b")])
    assert appended.accepted == 1
    assert appended.duplicates == 2


async def test_an_append_of_nothing_is_nothing(desk):
    await desk.account()
    appended = await desk.append([])
    assert (appended.accepted, appended.duplicates) == (0, 0)


async def test_a_sid_twice_in_a_call_is_stored_once_the_first_one(desk):
    await desk.account()
    await desk.append([desk.report(1, duration=1), desk.report(2), desk.report(1, duration=2)])
    (found,) = await desk.find(sid="sid-1")
    assert b'"duration":1,' in json_lines(found.fragment, VOICE_STATUS)
    assert await desk.deliver_all() == [["sid-1", "sid-2"]]


async def test_a_sid_is_known_in_later_calls(desk):
    await desk.account()
    await desk.submit(20)
    appended = await desk.append([desk.report(n) for n in range(1, 23)])
    assert (appended.accepted, appended.duplicates) == (2, 20)


async def test_a_sid_is_known_one_at_a_time(desk):
    await desk.account()
    for number in range(1, 20):
        assert (await desk.append([desk.report(number)])).accepted == 1
    for number in range(1, 20):
        assert (await desk.append([desk.report(number)])).duplicates == 1


async def test_a_sid_is_known_after_a_restart(desk):
    await desk.account()
    await desk.submit(20)
    await desk.reopen()
    assert (await desk.append([desk.report(n) for n in range(1, 21)])).duplicates == 20


async def test_a_sid_stays_known_when_it_is_delivered(desk):
    await desk.account()
    await desk.submit(5)
    await desk.deliver_all()
    assert (await desk.append([desk.report(3)])).duplicates == 1
    assert await desk.claim() == []


async def test_the_same_sid_in_two_accounts_is_stored_twice(desk):
    await desk.account("a")
    await desk.account("b")
    for number in range(1, 10):
        assert (await desk.append([desk.report(number, "a")])).accepted == 1
        assert (await desk.append([desk.report(number, "b")])).accepted == 1
        assert (await desk.append([desk.report(number, "b")])).accepted == 0
    assert len(await desk.find(sid="sid-5")) == 2


async def test_the_same_sid_in_two_accounts_of_one_call_is_stored_twice(desk):
    await desk.account("a")
    await desk.account("b")
    appended = await desk.append([desk.report(1, "a"), desk.report(1, "b")])
    assert appended.accepted == 2


async def test_nothing_is_stored_when_one_account_is_unknown(desk):
    await desk.account()
    with pytest.raises(UnknownAccounts, match="nobody"):
        await desk.append([desk.report(1), desk.report(2, "nobody")])
    assert (await desk.get()).accepted_reports == 0
    assert await desk.find(sid="sid-1") == []
    assert (await desk.append([desk.report(1)])).accepted == 1


async def test_all_unknown_accounts_of_an_append_are_named(desk):
    await desk.account()
    reports = [desk.report(n, name) for n, name in enumerate(["x", "acme", "y", "x"])]
    with pytest.raises(UnknownAccounts) as refusal:
        await desk.append(reports)
    assert refusal.value.accounts == {"x", "y"}


async def test_sids_are_told_apart_letter_for_letter(desk):
    await desk.account()
    names = [
        "A",
        "a",
        "a ",
        " a",
        "\u00e1",
        "a\u0301",
        "a%",
        "a+",
        "a'",
        'a"',
        "a\\",
        "a\\u002b",
        "电",
    ]
    reports = [desk.report(1, sid=name) for name in names]
    assert (await desk.append(reports)).accepted == len(names)
    assert (await desk.append(reports)).duplicates == len(names)
    for name in names:
        (found,) = await desk.find(sid=name)
        assert desk.sids(found.fragment) == [name]


@pytest.mark.parametrize("count", [499, 500, 501, 1000, 1001, 2500])
async def test_a_call_of_any_size_is_stored_whole_and_in_order(desk, count):
    await desk.account()
    sids = await desk.submit(count)
    pushes = await desk.deliver_all()
    assert [sid for push in pushes for sid in push] == sids
    assert [len(push) for push in pushes[:-1]] == [500] * (len(pushes) - 1)


async def test_fragments_are_kept_byte_for_byte(desk):
    await desk.account()
    reports = [
        Submission("acme", "s1", "2026-01-02 11:00:00", 0, "+37258483726", "FAIL", None, "50% +"),
        Submission("acme", "s2", "2026-01-02 11:00:00", 0, "152", "FAIL", "", "用户\n\t\\\"'"),
    ]
    await desk.append(reports)
    assert (await desk.claim_one()).fragments == b"\n".join(VOICE_STATUS.fragments(reports))


async def test_colliding_fingerprints_make_no_false_duplicate(desk, colliding):
    await desk.account("a")
    await desk.account("b")
    for first in range(1, 40, 3):
        reports = [desk.report(n, account) for n in range(first, first + 3) for account in "ab"]
        assert (await desk.append(reports)).accepted == 6
    await desk.reopen()
    assert (await desk.append([desk.report(1000, "a")])).accepted == 1


async def test_colliding_fingerprints_hide_no_duplicate(desk, colliding):
    await desk.account("a")
    await desk.account("b")
    reports = [desk.report(n, "a") for n in range(1, 30)]
    for one in reports:
        await desk.append([one])
    assert (await desk.append(reports)).duplicates == 29
    await desk.reopen()
    assert (await desk.append(reports)).duplicates == 29
    assert (await desk.append([desk.report(5, "b")] * 2)).duplicates == 1


async def test_colliding_fingerprints_are_told_apart_in_look_ups(desk, colliding):
    await desk.account()
    for _ in range(12):
        await desk.submit(2)
    for number in (1, 2, 13, 24):
        for key in ({"sid": f"sid-{number}"}, {"uid": f"order-{number}"}):
            assert [desk.sids(f.fragment) for f in await desk.find(**key)] == [[f"sid-{number}"]]
        (found,) = await desk.find(mobile=f"152{number:08d}")
        assert desk.sids(found.fragment) == [f"sid-{number}"]


async def test_reports_are_waiting_as_soon_as_they_are_accepted(desk):
    await desk.account()
    accepted_at = desk.now
    await desk.submit(3)
    desk.turn(minutes=1)
    await desk.submit(1)
    account = await desk.get()
    assert account.accepted_reports == account.reports.waiting == 4
    assert account.oldest_waiting_at == accepted_at
