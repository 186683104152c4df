"""Facts about accounts, their settings, and the secrets of the service."""

import asyncio
import dataclasses

import pytest

from statuspush.core.contract import Mode, Wire
from statuspush.core.lifecycle import State
from statuspush.core.push_settings import InvalidSettings, PushSettings
from statuspush.store.base import (
    AccountFilter,
    Conflict,
    Health,
    StateCounts,
    UnknownAccount,
    UnknownPush,
)

SETTINGS = PushSettings(
    mode=Mode.PAUSED,
    url="https://customer.example/path?a=%2B",
    wire=Wire.DOUBLE,
    max_reports=7,
    max_bytes=100_000,
    max_in_flight=3,
    connect_seconds=1.25,
    timeout_seconds=9.5,
    secret="whsec_秘密",
    headers=(("X-One", "1"), ("X-Two", "zwei ✓")),
)


EVERYTHING = {field.name: getattr(SETTINGS, field.name) for field in dataclasses.fields(SETTINGS)}


async def test_a_new_account_is_off_and_empty(desk):
    assert await desk.store.put_account("acme", "Acme", b"hash", desk.now) is True
    account = await desk.get()
    assert account.name == "Acme"
    assert account.created_at == desk.now
    assert account.push == PushSettings()
    assert account.learned_max_bytes is None
    assert account.pushes == account.reports == StateCounts()
    assert account.health == Health()
    assert account.accepted_reports == account.waiting_reports == 0
    assert account.oldest_waiting_at is None


async def test_putting_an_account_again_renames_it_and_keeps_the_rest(desk):
    await desk.account(max_reports=9)
    before = await desk.get()
    desk.turn(minutes=1)
    assert await desk.store.put_account("acme", "Other", b"new", desk.now) is False
    await desk.reopen()
    after = await desk.get()
    assert after.name == "Other"
    assert after.created_at == before.created_at
    assert after.push == before.push


async def test_accounts_are_listed_by_name(desk):
    for name in ("b", "a-2", "c", "a-10"):
        await desk.account(name)
    page = await desk.store.list_accounts()
    assert [account.account for account in page.items] == ["a-10", "a-2", "b", "c"]
    assert page.next is None


async def test_pages_of_accounts_leave_none_out(desk):
    names = [f"customer-{number:02d}" for number in range(7)]
    for name in reversed(names):
        await desk.account(name)
    found, after = [], None
    while True:
        page = await desk.store.list_accounts(after=after, limit=3)
        found += [account.account for account in page.items]
        after = page.next
        if after is None:
            break
    assert found == names


async def test_accounts_are_listed_by_the_beginning_of_their_names(desk):
    for name in ("acme", "acme-2", "bolt", "ac"):
        await desk.account(name)
    page = await desk.store.list_accounts(only=AccountFilter(prefix="acme"))
    assert [account.account for account in page.items] == ["acme", "acme-2"]


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (AccountFilter(failing=True), ["failing"]),
        (AccountFilter(failing=False), ["idle", "waiting"]),
        (AccountFilter(waiting=True), ["failing", "waiting"]),
        (AccountFilter(waiting=False), ["idle"]),
        (AccountFilter(failing=False, waiting=True), ["waiting"]),
    ],
)
async def test_accounts_are_listed_by_how_they_do(desk, only, names):
    for name in ("idle", "failing", "waiting"):
        await desk.account(name)
    await desk.submit(1, "failing")
    await desk.fail(await desk.claim_one())
    await desk.submit(1, "waiting")
    page = await desk.store.list_accounts(only=only)
    assert [account.account for account in page.items] == names


async def test_a_change_keeps_what_it_does_not_name(desk):
    await desk.account(max_reports=9)
    settings, _ = await desk.store.change_push("acme", {"max_in_flight": 4}, desk.now)
    assert (settings.max_reports, settings.max_in_flight) == (9, 4)


async def test_changes_of_one_moment_are_all_kept(desk):
    await desk.account()
    changes = [{"max_in_flight": 4}, {"max_reports": 9}, {"timeout_seconds": 3.0}]
    await asyncio.gather(*(desk.store.change_push("acme", one, desk.now) for one in changes))
    settings = (await desk.get()).push
    assert (settings.max_in_flight, settings.max_reports, settings.timeout_seconds) == (4, 9, 3.0)


async def test_every_change_raises_the_revision(desk):
    await desk.account()
    before = (await desk.get()).revision
    _, revision = await desk.store.change_push("acme", {"max_reports": 9}, desk.now)
    assert revision > before
    await desk.reopen()
    assert (await desk.get()).revision == revision


async def test_a_change_of_settings_that_were_changed_since_is_refused(desk):
    await desk.account()
    seen = (await desk.get()).revision
    await desk.store.change_push("acme", {"max_reports": 9}, desk.now, revision=seen)
    with pytest.raises(Conflict, match="somebody changed"):
        await desk.store.change_push("acme", {"max_reports": 8}, desk.now, revision=seen)
    assert (await desk.get()).push.max_reports == 9


@pytest.mark.parametrize(
    ("change", "learned"),
    [
        ({"max_in_flight": 2}, 1000),
        ({"mode": Mode.PAUSED}, 1000),
        ({"url": "https://new.example/status"}, None),
        ({"max_bytes": 50_000}, None),
        ({"max_reports": 10}, None),
    ],
)
async def test_the_learned_size_is_forgotten_with_what_it_was_learned_of(desk, change, learned):
    await desk.account()
    await desk.learn(1000)
    await desk.set(**change)
    assert (await desk.get()).learned_max_bytes == learned


@pytest.mark.parametrize(
    "ask",
    [
        lambda store, now: store.get_account("nobody"),
        lambda store, now: store.change_push("nobody", {}, now),
        lambda store, now: store.delete_account("nobody", force=True, now=now),
        lambda store, now: store.list_pushes("nobody", state=None, cursor=None, limit=1),
        lambda store, now: store.find_reports(account="nobody", sid="sid-1"),
        lambda store, now: store.pull_reports("nobody", 1, now),
        lambda store, now: store.redrive_account(
            "nobody", since=None, until=None, states=frozenset(State), now=now
        ),
    ],
)
async def test_asking_for_an_unknown_account_says_so(desk, ask):
    await desk.account()
    with pytest.raises(UnknownAccount, match="nobody"):
        await ask(desk.store, desk.now)


async def test_settings_come_back_as_given(desk):
    await desk.account()
    changed, _ = await desk.set(**EVERYTHING)
    assert changed == (await desk.get()).push == SETTINGS


async def test_settings_come_back_as_given_after_a_restart(desk):
    await desk.account()
    await desk.set(**EVERYTHING)
    await desk.reopen()
    assert (await desk.get()).push == SETTINGS


async def test_settings_that_are_not_named_stay(desk):
    await desk.account(max_reports=9)
    await desk.set(wire=Wire.PLAIN)
    settings = (await desk.get()).push
    assert (settings.max_reports, settings.wire, settings.url) == (9, Wire.PLAIN, desk.URL)


async def test_changes_made_at_the_same_time_are_all_kept(desk):
    await desk.account()
    changes = ({"max_in_flight": 7}, {"wire": Wire.DOUBLE}, {"timeout_seconds": 20.0})
    await asyncio.gather(*(desk.set(**one) for one in changes))
    settings = (await desk.get()).push
    assert all(getattr(settings, name) == v for one in changes for name, v in one.items())


async def test_changes_that_do_not_go_together_change_nothing(desk):
    await desk.account()
    before = await desk.get()
    with pytest.raises(InvalidSettings, match="url is needed"):
        await desk.set(url=None, max_reports=9)
    assert await desk.get() == before


async def test_each_change_makes_a_later_revision(desk):
    await desk.account()
    first = (await desk.get()).revision
    _, second = await desk.set(max_reports=9)
    assert first < second == (await desk.get()).revision


async def test_a_change_to_the_same_values_is_no_change(desk):
    await desk.account(max_reports=9)
    revision = (await desk.get()).revision
    _, after = await desk.set(max_reports=9)
    assert after == revision


async def test_a_change_on_the_present_revision_is_made(desk):
    await desk.account()
    revision = (await desk.get()).revision
    changed, _ = await desk.store.change_push(
        "acme", {"max_reports": 9}, desk.now, revision=revision
    )
    assert changed.max_reports == 9


@pytest.mark.parametrize("restart", [False, True])
async def test_a_change_on_an_earlier_revision_is_refused(desk, restart):
    await desk.account()
    revision = (await desk.get()).revision
    await desk.set(wire=Wire.PLAIN)
    if restart:
        desk.turn(minutes=1)
        await desk.reopen()
    with pytest.raises(Conflict, match="changed"):
        await desk.store.change_push("acme", {"max_reports": 9}, desk.now, revision=revision)
    assert (await desk.get()).push.max_reports == PushSettings().max_reports


async def test_what_was_learned_of_a_size_makes_no_revision(desk):
    await desk.account()
    revision = (await desk.get()).revision
    await desk.learn(1000)
    assert (await desk.get()).revision == revision


@pytest.mark.parametrize(
    "change", [{"max_in_flight": 2}, {"timeout_seconds": 9.0}, {"mode": Mode.PAUSED}, {}]
)
async def test_the_learned_size_survives_a_change_of_something_else(desk, change):
    await desk.account()
    await desk.learn(1000)
    await desk.set(**change)
    assert (await desk.get()).learned_max_bytes == 1000
    await desk.reopen()
    assert (await desk.get()).learned_max_bytes == 1000


@pytest.mark.parametrize(
    "change", [{"url": "https://new.example/"}, {"max_reports": 9}, {"max_bytes": 50_000}]
)
async def test_the_learned_size_is_forgotten_when_the_url_or_a_size_changes(desk, change):
    await desk.account()
    await desk.learn(1000)
    await desk.set(**change)
    assert (await desk.get()).learned_max_bytes is None
    await desk.reopen()
    assert (await desk.get()).learned_max_bytes is None


async def test_an_account_in_which_nothing_waits_can_be_deleted(desk):
    await desk.account()
    await desk.submit(2)
    await desk.deliver_all()
    await desk.store.delete_account("acme", force=False, now=desk.now)
    with pytest.raises(UnknownAccount):
        await desk.get()
    await desk.reopen()
    assert (await desk.store.list_accounts()).items == []


async def test_an_account_with_uncut_reports_is_not_deleted(desk):
    await desk.account()
    await desk.submit(3)
    with pytest.raises(Conflict, match="3 reports"):
        await desk.store.delete_account("acme", force=False, now=desk.now)
    assert (await desk.get()).reports.waiting == 3


async def test_an_account_with_a_waiting_push_is_not_deleted(desk):
    await desk.account()
    await desk.submit(3)
    await desk.fail(await desk.claim_one())
    with pytest.raises(Conflict):
        await desk.store.delete_account("acme", force=False, now=desk.now)


async def test_an_account_with_a_push_being_sent_is_not_deleted(desk):
    await desk.account()
    await desk.submit(3)
    await desk.claim_one()
    with pytest.raises(Conflict):
        await desk.store.delete_account("acme", force=False, now=desk.now)


async def test_force_deletes_an_account_in_any_state(desk):
    await desk.account(max_reports=1, max_in_flight=2)
    await desk.submit(4)
    claims = await desk.claim() + await desk.claim()
    await desk.fail(claims[0])
    await desk.store.delete_account("acme", force=True, now=desk.now)
    desk.turn(minutes=10)
    assert await desk.claim() == []
    assert desk.store.next_due() is None


async def test_the_outcome_of_a_deleted_accounts_push_is_refused(desk):
    await desk.account()
    await desk.submit()
    claim = await desk.claim_one()
    await desk.store.delete_account("acme", force=True, now=desk.now)
    recording = desk.recording(claim, "acknowledged")
    assert list(await desk.store.record_outcomes([recording], desk.now)) == [False]


async def test_pushes_and_reports_of_a_deleted_account_are_not_shown(desk):
    await desk.account()
    (sid,) = await desk.submit()
    claim = await desk.claim_one()
    await desk.deliver(claim)
    await desk.store.delete_account("acme", force=False, now=desk.now)
    assert await desk.find(sid=sid) == []
    with pytest.raises(UnknownPush):
        await desk.store.get_push(claim.id)


async def test_a_deleted_account_made_again_begins_empty(desk):
    await desk.account()
    await desk.submit(5)
    await desk.fail(await desk.claim_one())
    await desk.store.delete_account("acme", force=True, now=desk.now)
    await desk.account()
    await desk.reopen()
    account = await desk.get()
    assert account.accepted_reports == 0
    assert account.pushes == StateCounts()
    assert await desk.pushes() == []
    appended = await desk.append([desk.report(1)])
    assert appended.accepted == 1
    assert desk.sids(await desk.claim_one()) == ["sid-1"]


async def test_figures_are_free_of_a_deleted_account(desk):
    await desk.account(max_reports=2)
    await desk.submit(5)
    await desk.claim_one()
    await desk.store.delete_account("acme", force=True, now=desk.now)
    figures = await desk.store.figures()
    assert figures.reports_waiting == figures.pushes_waiting == figures.pushes_sending == 0


async def test_a_secret_is_none_until_it_is_put(desk):
    assert await desk.store.get_secret("operator") is None
    assert await desk.store.put_secret("operator", b"\x00one") == b"\x00one"
    assert await desk.store.get_secret("operator") == b"\x00one"


async def test_a_secret_is_stored_only_if_there_is_none(desk):
    await desk.store.put_secret("operator", b"one")
    assert await desk.store.put_secret("operator", b"two") == b"one"
    await desk.reopen()
    assert await desk.store.get_secret("operator") == b"one"


async def test_figures_count_what_is_stored_and_waits(desk):
    await desk.account(max_reports=2, max_in_flight=2)
    await desk.submit(7)
    first, _ = await desk.claim() + await desk.claim()
    await desk.fail(first)
    figures = await desk.store.figures()
    assert figures.reports_stored == figures.reports_waiting == 7
    assert figures.pushes_waiting == 1
    assert figures.pushes_sending == 1
    assert figures.bytes_on_disk > 0


async def test_a_ping_answers_while_the_store_works(desk):
    await desk.store.ping()
