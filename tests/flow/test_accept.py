"""Accepting: all of a submission on disk, or none of it (section 5)."""

import asyncio
import json
from itertools import chain

import pytest

from statuspush.core.errors import Overloaded
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.report import InvalidReports, MalformedBody
from statuspush.store.base import Appended, StoreUnavailable

REPORT = {
    "account": "acme",
    "sid": "sid-1",
    "uid": None,
    "user_receive_time": "2026-01-02 11:00:00",
    "duration": 15,
    "error_msg": None,
    "mobile": "15205201314",
    "report_status": "SUCCESS",
}


def body(*changes):
    return json.dumps([{**REPORT, **change} for change in changes]).encode()


async def test_what_is_accepted_is_on_disk(house, customers):
    """A death right after the answer loses nothing."""
    await house.account("acme")
    assert await house.accept.accept(
        body({}, {"sid": "sid-2"}), VOICE_STATUS, ndjson=False
    ) == Appended(2, 0)
    await house.restart()
    await house.settle()
    assert customers.sids("acme") == [["sid-1", "sid-2"]]


async def test_a_sid_is_accepted_once(house, customers):
    """Within a submission, over submissions, and over restarts."""
    await house.account("acme")
    first = await house.accept.accept(body({}, {}, {"sid": "sid-2"}), VOICE_STATUS, ndjson=False)
    assert (first.accepted, first.duplicates) == (2, 1)
    await house.restart()
    again = await house.accept.accept(body({}, {"sid": "sid-3"}), VOICE_STATUS, ndjson=False)
    assert (again.accepted, again.duplicates) == (1, 1)
    await house.settle()
    assert [*chain.from_iterable(customers.sids("acme"))] == ["sid-1", "sid-2", "sid-3"]


async def test_invalid_reports_store_nothing(house, customers):
    """Not even the sound ones beside them; each mistake is named."""
    await house.account("acme")
    with pytest.raises(InvalidReports) as refusal:
        await house.accept.accept(
            body({}, {"sid": "sid-2", "mobile": "nobody"}, {"sid": ""}), VOICE_STATUS, ndjson=False
        )
    assert [(e.index, e.field) for e in refusal.value.errors] == [(1, "mobile"), (2, "sid")]
    await house.settle()
    assert customers.posts == []
    assert (await house.state("acme")).accepted_reports == 0


async def test_a_body_that_is_no_json_stores_nothing(house):
    """It is refused as a whole."""
    await house.account("acme")
    with pytest.raises(MalformedBody):
        await house.accept.accept(body({})[:-2], VOICE_STATUS, ndjson=False)
    assert (await house.state("acme")).accepted_reports == 0


async def test_an_unknown_account_is_named_with_the_index_of_its_report(house):
    """And nothing is stored, for the known accounts neither."""
    await house.account("acme")
    with pytest.raises(InvalidReports) as refusal:
        await house.accept.accept(
            body({}, {"account": "nobody"}, {"sid": "s"}, {"account": "none"}),
            VOICE_STATUS,
            ndjson=False,
        )
    assert [(e.index, e.field) for e in refusal.value.errors] == [(1, "account"), (3, "account")]
    assert "nobody" in refusal.value.errors[0].words.en
    assert (await house.state("acme")).accepted_reports == 0


async def test_an_empty_array_is_accepted_as_nothing(house):
    """It needs no commit."""
    assert await house.accept.accept(b"[]", VOICE_STATUS, ndjson=False) == Appended(0, 0)


async def test_a_store_that_is_unavailable_accepts_nothing(house):
    """The submitter hears so, and may come again with the same."""
    await house.account("acme")
    house.store.errors["append_reports"] = StoreUnavailable("full")
    with pytest.raises(StoreUnavailable):
        await house.accept.accept(body({}), VOICE_STATUS, ndjson=False)
    house.store.errors.clear()
    assert (await house.accept.accept(body({}), VOICE_STATUS, ndjson=False)).accepted == 1


async def test_beyond_the_limit_of_bytes_submissions_are_refused(houses):
    """What is under way counts; once it is done there is room again."""
    house = await houses(max_bytes=700)
    await house.account("acme")
    bodies = [body({"sid": f"sid-{n}"}, {"sid": f"more-{n}"}) for n in range(3)]
    assert all(300 < len(one) <= 400 for one in bodies)
    results = await asyncio.gather(
        *(house.accept.accept(one, VOICE_STATUS, ndjson=False) for one in bodies),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [Appended, Overloaded, Overloaded]
    assert results[1].retry_after == 1
    assert (await house.accept.accept(bodies[1], VOICE_STATUS, ndjson=False)).accepted == 2


async def test_one_submission_gets_in_however_small_the_limit(houses):
    """A limit below a single body must not lock everyone out."""
    house = await houses(max_bytes=1)
    await house.account("acme")
    assert (await house.accept.accept(body({}), VOICE_STATUS, ndjson=False)).accepted == 1
    assert (await house.accept.accept(body({"sid": "s"}), VOICE_STATUS, ndjson=False)).accepted == 1


async def test_a_refused_body_gives_its_bytes_back(houses):
    """Whatever the refusal was for."""
    house = await houses(max_bytes=1)
    await house.account("acme")
    for wrong in (b"{", body({"mobile": "x"}), body({"account": "nobody"})):
        with pytest.raises((MalformedBody, InvalidReports)):
            await house.accept.accept(wrong, VOICE_STATUS, ndjson=False)
    assert (await house.accept.accept(body({}), VOICE_STATUS, ndjson=False)).accepted == 1
