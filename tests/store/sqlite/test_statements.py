"""How many statements a verb costs does not depend on how many reports it is about."""

import pytest

from statuspush.core.batch import make_batch
from statuspush.core.kinds import VOICE_STATUS


async def count(watch, verb):
    watch.statements.clear()
    result = await verb
    return len(watch.statements), result


async def append(desk, reports):
    return await desk.append_batch(make_batch(reports, VOICE_STATUS), desk.now)


@pytest.mark.parametrize("stored", [0, 2000])
async def test_an_append_of_a_thousand_costs_what_one_of_two_costs(watch, watched, stored):
    desk = watched
    for name in ("a", "b"):
        await desk.account(name)
        await desk.submit(stored, name)
    few, _ = await count(watch, append(desk, [*desk.reports(1, "a"), *desk.reports(1, "b")]))
    many, _ = await count(watch, append(desk, [*desk.reports(500, "a"), *desk.reports(500, "b")]))
    # A fingerprint may look known in a run and be checked there: a query a run, at most.
    assert many <= few + 8
    assert few <= 12


async def test_a_thousand_duplicates_cost_a_query_a_run_not_one_a_report(watch, watched):
    desk = watched
    await desk.account()
    reports = desk.reports(1000)
    await append(desk, reports)
    await desk.settle()
    few, _ = await count(watch, append(desk, reports[:1]))
    many, appended = await count(watch, append(desk, reports))
    assert appended.duplicates == 1000
    assert many <= few + 8


async def claims_of(desk, watch, reports, pushes):
    names = [f"{reports}-{number}" for number in range(pushes)]
    for name in names:
        await desk.account(name)
        found = desk.reports(reports, name)
        await append(desk, found)
    return await count(watch, desk.claim())


async def test_a_claim_of_a_hundred_pushes_costs_the_same_however_full_they_are(watch, watched):
    desk = watched
    thin, claims = await claims_of(desk, watch, 1, 100)
    assert len(claims) == 100
    cost_thin, _ = await count(
        watch,
        desk.store.record_outcomes(
            [desk.recording(claim, "acknowledged") for claim in claims], desk.now
        ),
    )
    full, claims = await claims_of(desk, watch, 60, 100)
    assert sum(claim.reports for claim in claims) == 6000
    cost_full, _ = await count(
        watch,
        desk.store.record_outcomes(
            [desk.recording(claim, "acknowledged") for claim in claims], desk.now
        ),
    )
    assert full <= thin <= 12
    assert cost_full == cost_thin <= 8


async def test_recording_a_hundred_failures_costs_what_one_costs(watch, watched):
    desk = watched
    _, claims = await claims_of(desk, watch, 1, 101)
    one, _ = await count(watch, desk.record(claims[:1], "timeout"))
    hundred, _ = await count(watch, desk.record(claims[1:], "timeout"))
    assert hundred == one


async def test_asking_for_a_claim_when_there_is_nothing_to_send_costs_nothing(watch, watched):
    desk = watched
    await desk.account()
    assert not desk.store.may_claim(desk.now, limit=1, suspect_limit=1)
    watch.statements.clear()
    await desk.claim()
    assert "COMMIT" not in watch.statements


async def test_reports_once_sorted_cost_a_look_up_a_push_not_one_a_report(watch, watched):
    desk = watched
    await desk.account("thin", max_reports=1)
    await desk.account("full")
    await desk.submit(400, "thin")
    await desk.submit(400, "full")
    await desk.settle()
    claimed, claims = await count(watch, desk.claim())
    assert sorted(claim.reports for claim in claims) == [1, 400]
    assert claimed <= 12
