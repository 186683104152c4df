"""Facts about submissions that share a commit: they share chunks, and know of each other."""

import asyncio

import pytest

from statuspush.core.batch import make_batch
from statuspush.core.kinds import VOICE_STATUS
from statuspush.store.base import StoreUnavailable, UnknownAccounts

# The tail is never full here, except where a test makes it small.
pytestmark = pytest.mark.parametrize("layout", ["sqlite"], indirect=True)


async def together(desk, *submissions):
    """Append submissions in one commit group; what became of each."""
    return await asyncio.gather(
        *[
            desk.append_batch(make_batch(reports, VOICE_STATUS), desk.now)
            for reports in submissions
        ],
        return_exceptions=True,
    )


def chunks(desk):
    """(account, first seq, count, sids) of each row of the log."""
    rows = desk.store._read_connection.execute(
        "SELECT a.account, c.first_seq, c.count, c.body FROM chunks AS c"
        " JOIN accounts AS a ON a.id = c.account ORDER BY c.id"
    )
    return [(account, first, count, desk.sids(body)) for account, first, count, body in rows]


async def test_submissions_of_a_group_become_one_chunk_an_account(desk):
    await desk.account("a")
    await desk.account("b")
    first, second = (desk.reports(1, "a") + desk.reports(2, "b") for _ in range(2))
    await together(desk, first, second)
    assert chunks(desk) == [
        ("a", 1, 2, ["sid-1", "sid-4"]),
        ("b", 1, 4, ["sid-2", "sid-3", "sid-5", "sid-6"]),
    ]


async def test_submissions_of_different_commits_become_different_chunks(desk):
    await desk.account()
    for _ in range(2):
        await together(desk, desk.reports(1))
    assert [count for _, _, count, _ in chunks(desk)] == [1, 1]


async def test_a_chunk_grows_to_500_reports_and_no_further(desk):
    await desk.account()
    await together(desk, *(desk.reports(200) for _ in range(4)))
    assert [count for _, _, count, _ in chunks(desk)] == [400, 400]


async def test_a_sid_that_comes_in_two_submissions_of_a_group_is_stored_once(desk):
    await desk.account("a")
    await desk.account("b")
    one, other = [desk.report(n, "a") for n in (1, 2)], [desk.report(n, "a") for n in (2, 3)]
    same_in_b = [desk.report(2, "b")]
    results = await together(desk, one, other, same_in_b, other)
    assert [(r.accepted, r.duplicates) for r in results] == [(2, 0), (1, 1), (1, 0), (0, 2)]
    assert await desk.deliver_all() == [["sid-1", "sid-2", "sid-3"], ["sid-2"]]


async def test_a_claim_in_the_middle_of_a_group_takes_what_stands_before_it(desk):
    await desk.account("a")
    await desk.account("b")
    await desk.submit(1, "b")
    append = desk.append_batch
    _, claims, _ = await asyncio.gather(
        append(make_batch(desk.reports(2, "a"), VOICE_STATUS), desk.now),
        desk.claim(),
        append(make_batch(desk.reports(1, "a"), VOICE_STATUS), desk.now),
    )
    assert [desk.sids(claim) for claim in claims] == [["sid-1"], ["sid-2", "sid-3"]]
    assert chunks(desk)[1:] == [("a", 1, 3, ["sid-2", "sid-3", "sid-4"])]
    await desk.deliver(claims)
    assert await desk.deliver_all() == [["sid-4"]]


async def test_a_pull_in_the_middle_of_a_group_takes_what_stands_before_it(desk):
    await desk.account()
    append = desk.append_batch
    _, pulled, _ = await asyncio.gather(
        append(make_batch(desk.reports(2), VOICE_STATUS), desk.now),
        desk.store.pull_reports("acme", 10, desk.now),
        append(make_batch(desk.reports(1), VOICE_STATUS), desk.now),
    )
    assert desk.sids(pulled) == ["sid-1", "sid-2"]
    assert desk.sids(await desk.store.pull_reports("acme", 10, desk.now)) == ["sid-3"]


async def test_a_refused_submission_leaves_no_trace_in_the_chunk_of_its_group(desk):
    await desk.account()
    results = await together(
        desk, [desk.report(1)], [desk.report(2), desk.report(3, "nobody")], [desk.report(4)]
    )
    assert isinstance(results[1], UnknownAccounts)
    assert chunks(desk) == [("acme", 1, 2, ["sid-1", "sid-4"])]


@pytest.mark.parametrize("part", ["INSERT INTO chunks", "COMMIT"])
async def test_of_a_group_that_was_rolled_back_nothing_is_known(watch, watched, part):
    desk = watched
    await desk.account()
    await desk.submit(1)
    watch.fail_every(part, 13)
    results = await together(desk, *([desk.report(n)] for n in (2, 3)))
    assert {type(result) for result in results} == {StoreUnavailable}
    watch.fail = None
    await desk.store.ping()
    results = await together(desk, *([desk.report(n)] for n in (2, 3, 1)))
    assert [result.accepted for result in results] == [1, 1, 0]
    assert [seqs for _, *seqs, _ in chunks(desk)] == [[1, 1], [2, 2]]


@pytest.mark.sizes(run_reports=4)
async def test_a_chunk_of_a_tail_that_is_full_grows_no_more(desk):
    await desk.account()
    await together(desk, *(desk.reports(2) for _ in range(3)))
    assert [seqs for _, *seqs, _ in chunks(desk)] == [[1, 4], [5, 2]]
    await desk.settle()
    assert await desk.deliver_all() == [[f"sid-{n}" for n in range(1, 7)]]
