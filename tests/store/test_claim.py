"""Facts about cutting and claiming: order, sizes, how many at once, whose turn it is."""

import itertools

import pytest

from statuspush.core.contract import Mode, Wire
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.lifecycle import State
from statuspush.core.push_settings import InvalidSettings
from statuspush.core.wire import body


async def test_an_empty_store_gives_no_claim(desk):
    await desk.account()
    assert await desk.claim() == []


async def test_reports_are_claimed_in_the_order_of_acceptance(desk):
    await desk.account(max_reports=3)
    sids = []
    for count in (1, 5, 2):
        sids += await desk.submit(count)
    pushes = await desk.deliver_all()
    assert [sid for push in pushes for sid in push] == sids
    assert [len(push) for push in pushes] == [3, 3, 2]


async def test_a_claim_names_its_push(desk):
    await desk.account(secret="s", max_reports=2)
    await desk.submit(3)
    claim = await desk.claim_one()
    account = await desk.get()
    assert claim.account == "acme"
    assert claim.settings == account.push
    assert claim.reports == 2
    assert (claim.attempt, claim.failures, claim.suspect) == (1, 0, False)
    assert claim.created_at == desk.now
    assert await desk.push_state(claim.id) is State.SENDING


async def test_a_retry_knows_when_its_push_was_created(desk):
    await desk.account()
    await desk.submit()
    created_at = desk.now
    await desk.fail(await desk.claim_one())
    desk.turn(minutes=5)
    assert (await desk.claim_one()).created_at == created_at


async def test_tokens_are_never_given_twice(desk):
    await desk.account("a", max_reports=1)
    await desk.account("b", max_reports=1)
    await desk.submit(5, "a")
    await desk.submit(5, "b")
    tokens = []
    for _ in range(4):
        claims = await desk.claim()
        tokens += [claim.token for claim in claims]
        await desk.store.release_claims(claims, desk.now)
    tokens += [claim.token for claim in await desk.claim()]
    assert len(tokens) == len(set(tokens)) == 10


@pytest.mark.parametrize("wire", Wire)
async def test_a_push_stays_within_the_byte_cap(desk, wire):
    await desk.account(wire=wire, max_bytes=1000)
    sids = await desk.submit(20, error_msg="用户信号不佳、关机等")
    pushes, sizes = [], []
    while claims := await desk.claim():
        pushes += [desk.sids(claim) for claim in claims]
        sizes += [len(body(claim.fragments, wire, VOICE_STATUS)) for claim in claims]
        assert all(claim.fragments.count(b"\n") + 1 == claim.reports for claim in claims)
        await desk.deliver(claims)
    assert list(itertools.chain(*pushes)) == sids
    assert all(size <= 1000 or len(push) == 1 for size, push in zip(sizes, pushes, strict=True))
    assert len(pushes) > 1


async def test_one_report_beyond_the_byte_cap_is_sent_alone(desk):
    await desk.account(max_bytes=1)
    await desk.submit(2)
    assert await desk.deliver_all() == [["sid-1"], ["sid-2"]]


async def test_the_learned_size_caps_like_the_given_one(desk):
    await desk.account(max_bytes=100_000)
    await desk.learn(1000)
    await desk.submit(20)
    claim = await desk.claim_one()
    assert 1 <= claim.reports < 20
    assert len(body(claim.fragments, Wire.ROBUST, VOICE_STATUS)) <= 1000


async def test_the_given_size_caps_below_the_learned_one(desk):
    await desk.account(max_bytes=1000)
    await desk.learn(100_000)
    await desk.submit(20)
    assert (await desk.claim_one()).reports < 20


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_an_account_has_at_most_max_in_flight_claims(desk, limit):
    await desk.account(max_reports=1, max_in_flight=limit)
    await desk.submit(10)
    claims = []
    for _ in range(10):
        claims += await desk.claim()
    assert len(claims) == limit
    await desk.deliver(claims[0])
    assert len(await desk.claim()) == 1
    assert await desk.claim() == []


async def test_claims_under_way_are_of_different_reports(desk):
    await desk.account(max_reports=2, max_in_flight=3)
    sids = await desk.submit(6)
    claims = [claim for _ in range(3) for claim in await desk.claim()]
    assert [sid for claim in claims for sid in desk.sids(claim)] == sids


async def test_a_failing_endpoint_gets_one_claim_at_a_time(desk):
    await desk.account(max_reports=1, max_in_flight=3)
    await desk.submit(10)
    claims = [claim for _ in range(3) for claim in await desk.claim()]
    await desk.fail(claims)
    desk.turn(minutes=5)
    assert len(await desk.claim()) == 1
    assert await desk.claim() == []


async def test_nothing_new_is_cut_while_a_retry_of_a_failing_endpoint_waits(desk):
    await desk.account(max_reports=1, max_in_flight=3)
    await desk.submit(10)
    await desk.fail(await desk.claim())
    await desk.submit(1)
    desk.turn(ms=desk.RETRY_MS - 1)
    assert await desk.claim() == []


async def test_the_waiting_retry_is_the_probe_when_it_is_due(desk):
    await desk.account(max_reports=1)
    await desk.submit(3)
    first = await desk.claim_one()
    await desk.fail(first)
    desk.turn(minutes=5)
    probe = await desk.claim_one()
    assert probe.id == first.id
    assert probe.suspect
    assert (probe.attempt, probe.failures) == (2, 1)


async def test_after_the_probe_is_acknowledged_the_gathered_reports_go(desk):
    await desk.account(max_in_flight=2)
    await desk.submit(1)
    await desk.fail(await desk.claim_one())
    gathered = [sid for _ in range(5) for sid in await desk.submit(2)]
    desk.turn(minutes=5)
    await desk.deliver(await desk.claim_one())
    claim = await desk.claim_one()
    assert desk.sids(claim) == gathered
    assert not claim.suspect


async def test_after_an_exhausted_push_the_next_one_is_the_probe(desk):
    await desk.account(max_reports=1)
    await desk.submit(2)
    await desk.exhaust()
    claim = await desk.claim_one()
    assert desk.sids(claim) == ["sid-2"]
    assert claim.suspect
    assert (claim.attempt, claim.failures) == (1, 0)


async def test_with_more_in_flight_an_acknowledgement_ends_the_wait_behind_a_retry(desk):
    """The endpoint is well: only the push that failed waits for its time."""
    await desk.account(max_in_flight=2, max_reports=1)
    await desk.submit(2)
    one, two = await desk.claim()
    await desk.fail(one)
    sids = await desk.submit(1)
    assert await desk.claim() == []
    await desk.deliver(two)
    assert [desk.sids(claim) for claim in await desk.claim()] == [sids]


async def test_the_same_reports_in_the_same_order_on_every_attempt(desk):
    await desk.account(max_reports=5)
    await desk.submit(7)
    first = await desk.claim_one()
    seen = [first]
    for change in ("nothing", "restart", "settings"):
        await desk.fail(seen[-1])
        await desk.submit(3)
        if change == "restart":
            await desk.reopen()
        if change == "settings":
            await desk.set(max_reports=1, max_bytes=100, wire=Wire.DOUBLE)
        desk.turn(minutes=5)
        seen.append(await desk.claim_one())
    assert [claim.id for claim in seen] == [first.id] * 4
    assert [claim.fragments for claim in seen] == [first.fragments] * 4
    assert [claim.attempt for claim in seen] == [1, 2, 3, 4]


async def test_a_changed_url_holds_for_a_push_that_waits(desk):
    await desk.account()
    await desk.submit()
    await desk.fail(await desk.claim_one())
    await desk.set(url="https://other.example/")
    desk.turn(minutes=5)
    assert (await desk.claim_one()).settings.url == "https://other.example/"


async def test_a_claim_keeps_the_settings_of_its_time(desk):
    await desk.account(secret="one")
    await desk.submit()
    claim = await desk.claim_one()
    await desk.set(secret="two")
    assert claim.settings.secret == "one"


async def test_an_account_is_not_on_without_a_url(desk):
    with pytest.raises(InvalidSettings, match="url is needed"):
        await desk.account(url=None)
    await desk.set(mode=Mode.PAUSED)
    await desk.submit()
    assert await desk.claim() == []
    await desk.set(mode=Mode.ON, url=desk.URL)
    assert len(await desk.claim()) == 1


async def test_at_most_limit_claims_are_given(desk):
    for number in range(10):
        await desk.account(f"a{number}")
        await desk.submit(1, f"a{number}")
    assert await desk.claim(limit=0) == []
    assert len(await desk.claim(limit=3)) == 3
    assert len(await desk.claim(limit=100)) == 7


async def test_accounts_take_turns_one_push_each(desk):
    names = ["a", "b", "c"]
    for name in names:
        await desk.account(name, max_reports=1, max_in_flight=5)
        await desk.submit(4, name)
    taken = []
    for _ in range(4):
        taken.append(sorted(claim.account for claim in await desk.claim(limit=3)))
    assert taken == [names] * 4


async def test_the_account_that_waits_longest_comes_first(desk):
    for name in ("c", "a", "b"):
        await desk.account(name, max_reports=1, max_in_flight=9)
    await desk.submit(9, "c")
    await desk.submit(9, "a")
    order = [claim.account for _ in range(4) for claim in await desk.claim(limit=1)]
    await desk.submit(1, "b")
    order += [claim.account for _ in range(3) for claim in await desk.claim(limit=1)]
    assert order == ["c", "a", "c", "a", "c", "a", "b"]


async def test_an_account_with_a_large_backlog_does_not_starve_others(desk):
    await desk.account("big", max_reports=1, max_in_flight=50)
    await desk.account("small")
    await desk.submit(60, "big")
    await desk.claim(limit=1)
    await desk.submit(1, "small")
    assert "small" in [claim.account for claim in await desk.claim(limit=2)]


async def test_suspect_endpoints_use_only_the_suspect_limit(desk):
    for name in ("bad-1", "bad-2", "bad-3", "good"):
        await desk.account(name)
        await desk.submit(1, name)
    claims = {claim.account: claim for claim in await desk.claim()}
    good = claims.pop("good")
    await desk.deliver(good)
    await desk.fail(list(claims.values()))
    await desk.submit(1, "good")
    desk.turn(minutes=5)
    assert [c.account for c in await desk.claim(limit=9, suspect_limit=0)] == ["good"]
    found = await desk.claim(limit=0, suspect_limit=2)
    assert len(found) == 2
    assert all(claim.suspect for claim in found)
    assert len(await desk.claim(limit=0, suspect_limit=2)) == 1


async def test_an_endpoint_that_was_slow_is_suspect_until_it_is_quick(desk):
    await desk.account(max_reports=1)
    await desk.submit(3)
    await desk.deliver(await desk.claim_one(), slow=True)
    assert await desk.claim(suspect_limit=0) == []
    claim = await desk.claim_one()
    assert claim.suspect
    await desk.deliver(claim)
    assert not (await desk.claim_one()).suspect


async def test_a_slow_endpoint_still_has_max_in_flight_claims(desk):
    await desk.account(max_reports=1, max_in_flight=2)
    await desk.submit(5)
    await desk.deliver(await desk.claim_one(), slow=True)
    assert len(await desk.claim() + await desk.claim() + await desk.claim()) == 2


async def test_an_endpoint_that_recovers_while_it_is_queued_uses_the_good_limit(desk):
    await desk.account(max_reports=1, max_in_flight=2)
    await desk.submit(5)
    first, second = await desk.claim()
    await desk.deliver(first, slow=True)
    await desk.deliver(second)
    assert await desk.claim(limit=0, suspect_limit=5) == []
    claims = await desk.claim(limit=5, suspect_limit=0)
    assert [claim.suspect for claim in claims] == [False, False]


async def test_an_endpoint_that_fails_while_it_is_queued_uses_the_suspect_limit(desk):
    await desk.account(max_reports=1, max_in_flight=3)
    await desk.submit(5)
    first, second = await desk.claim(limit=2)
    await desk.deliver(first)
    await desk.deliver(second, slow=True)
    assert await desk.claim(limit=5, suspect_limit=0) == []
    claims = await desk.claim(limit=0, suspect_limit=5)
    assert [claim.suspect for claim in claims] == [True] * 3


async def test_an_endpoint_that_is_well_again_does_not_wait_in_the_suspect_queue(desk):
    """Queued as slow, quick since then; the suspect lane is full."""
    await desk.account(max_in_flight=2, max_reports=1)
    sids = await desk.submit(3)
    one, two = await desk.claim(limit=2)
    await desk.deliver(one, slow=True)
    await desk.deliver(two)
    (claim,) = await desk.claim(suspect_limit=0)
    assert desk.sids(claim) == sids[2:]
    assert not claim.suspect


async def test_an_endpoint_that_changes_its_standing_has_one_turn(desk):
    await desk.account(max_in_flight=8, max_reports=1)
    await desk.account("other", max_reports=1)
    await desk.submit(12)
    first = await desk.claim(limit=5)
    for turn, claim in enumerate(first):
        await desk.deliver(claim, slow=turn % 2 == 0)
    await desk.submit(1, "other")
    assert await desk.claim(limit=100, suspect_limit=0) != []
    assert len(await desk.claim(limit=0, suspect_limit=100)) == 7


async def test_accounts_that_cannot_send_any_more_take_no_turn(desk):
    for number in range(5):
        await desk.account(f"paused-{number}")
        await desk.submit(1, f"paused-{number}")
    await desk.account("ready")
    await desk.submit(1, "ready")
    for number in range(5):
        await desk.set(f"paused-{number}", mode=Mode.PAUSED)
    assert [claim.account for claim in await desk.claim(limit=1)] == ["ready"]


async def test_next_due_is_none_when_nothing_waits(desk):
    await desk.account()
    assert desk.store.next_due() is None
    await desk.submit()
    await desk.deliver(await desk.claim_one())
    assert desk.store.next_due() is None


async def test_next_due_is_the_time_of_the_earliest_retry(desk):
    for name in ("a", "b"):
        await desk.account(name)
        await desk.submit(1, name)
    claims = await desk.claim()
    await desk.fail(claims[0])
    due = desk.now + desk.RETRY_MS
    desk.turn(minutes=1)
    await desk.fail(claims[1])
    assert desk.store.next_due() == due
    await desk.reopen()
    assert desk.store.next_due() == due


async def test_next_due_passes_over_accounts_that_are_not_on(desk):
    for name in ("a", "b"):
        await desk.account(name)
        await desk.submit(1, name)
    claims = {claim.account: claim for claim in await desk.claim()}
    await desk.fail(claims["a"])
    desk.turn(minutes=1)
    await desk.fail(claims["b"])
    later = desk.now + desk.RETRY_MS
    await desk.set("a", mode=Mode.PAUSED)
    assert desk.store.next_due() == later
    await desk.set("b", mode=Mode.OFF)
    assert desk.store.next_due() is None
    await desk.set("a", mode=Mode.ON)
    assert desk.store.next_due() == later - desk.MINUTE


async def test_a_retry_is_not_sent_before_it_is_due(desk):
    await desk.account()
    await desk.submit()
    await desk.fail(await desk.claim_one())
    due = desk.store.next_due()
    desk.now = due - 1
    assert await desk.claim() == []
    desk.now = due
    assert len(await desk.claim()) == 1


async def test_one_call_fills_max_in_flight(desk):
    await desk.account(max_reports=1, max_in_flight=3)
    sids = await desk.submit(5)
    assert [desk.sids(claim)[0] for claim in await desk.claim()] == sids[:3]


async def test_a_changed_url_is_tried_at_once_with_what_is_new(desk):
    await desk.account()
    await desk.submit(1)
    await desk.fail(await desk.claim_one())
    (new,) = await desk.submit(1)
    assert await desk.claim() == []
    await desk.set(url="https://new.example/status")
    assert desk.sids(await desk.claim_one()) == [new]


async def test_the_half_of_a_push_waits_for_the_retry_of_the_other(desk):
    await desk.account()
    await desk.submit(4)
    await desk.too_large(await desk.claim_one())
    first = await desk.claim_one()
    await desk.fail(first)
    assert await desk.claim() == []
    desk.turn(minutes=5)
    assert (await desk.claim_one()).id == first.id


async def test_a_clock_set_back_before_a_restart_delays_no_retry(desk):
    await desk.account()
    await desk.submit(1)
    await desk.fail(await desk.claim_one())
    await desk.store.close()
    desk.turn(minutes=-60)
    await desk.open()
    await desk.store.hasten_retries(desk.RETRY_MS, desk.now)
    assert desk.store.next_due() == desk.now + desk.RETRY_MS
