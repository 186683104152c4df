"""Facts about GET /v1/reports."""

import pytest

from statuspush.core.outcome import Outcome


@pytest.fixture
def find(client):
    async def find(query):
        answer = await client.get(f"/v1/reports?{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    return find


async def test_a_report_is_found_by_its_sid(find, acme, submit, report):
    await submit(3)
    (found,) = await find("sid=sid-2")
    expected = report(sid="sid-2")
    del expected["account"]
    assert (found["account"], found["report"]) == ("acme", expected)
    assert found["accepted_at"] == "2026-01-02T03:04:05.678Z"


async def test_reports_are_found_by_mobile(find, acme, submit):
    await submit(2)
    await submit(1, first=10, mobile="13800000000")
    found = await find("mobile=15205201314")
    assert {item["report"]["sid"] for item in found} == {"sid-1", "sid-2"}


async def test_reports_are_found_by_uid(find, acme, submit):
    await submit(1, uid="a+b 50%")
    assert len(await find("uid=a%2Bb%2050%25")) == 1


@pytest.mark.parametrize("mobile", ["%2B37258483726", "+37258483726"])
async def test_a_plus_may_be_escaped_or_not(find, acme, submit, mobile):
    await submit(1, mobile="+37258483726")
    assert len(await find(f"mobile={mobile}")) == 1


async def test_the_account_narrows_the_search(client, find, acme, submit):
    await client.put("/v1/accounts/other", json={"name": "x"})
    await submit(1)
    await submit(1, account="other")
    assert len(await find("sid=sid-1")) == 2
    assert [item["account"] for item in await find("sid=sid-1&account=other")] == ["other"]


async def test_the_limit_bounds_what_is_found(find, acme, submit):
    await submit(5)
    assert len(await find("mobile=15205201314&limit=2")) == 2


async def test_20_are_found_at_most_unless_asked_otherwise(find, acme, submit):
    await submit(30)
    assert len(await find("mobile=15205201314")) == 20


async def test_nothing_found_is_an_empty_list(find):
    assert await find("sid=nothing") == []


async def test_a_report_that_waits_is_waiting(find, acme, submit):
    await submit(1)
    (found,) = await find("sid=sid-1")
    assert (found["state"], found["pushes"]) == ("waiting", [])


async def test_a_report_accepted_while_push_is_off_has_no_state(client, find, submit):
    await client.put("/v1/accounts/acme", json={"name": "x"})
    await submit(1)
    (found,) = await find("sid=sid-1")
    assert found["state"] is None


async def test_every_push_of_a_report_is_shown_with_its_attempts(
    client, find, acme, submit, customer
):
    await submit(1)
    (first,) = await customer.exhaust()
    await client.post(f"/v1/pushes/{first}/redrive")
    (second,) = await customer.answer(Outcome.ACKNOWLEDGED)
    (found,) = await find("sid=sid-1")
    assert found["state"] == "delivered"
    assert [(push["id"], push["state"]) for push in found["pushes"]] == [
        (first, "exhausted"),
        (second, "delivered"),
    ]
    assert [len(push["attempts"]) for push in found["pushes"]] == [4, 1]
    assert found["pushes"][0]["attempts"][0]["http_status"] == 500
    assert found["pushes"][1]["redrive_of"] == first


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", {"sid", "mobile", "uid"}),
        ("account=acme", {"sid", "mobile", "uid"}),
        ("sid=a&uid=b", {"sid", "uid"}),
        ("sid=a&sid=b", {"sid"}),
        ("sid=", {"sid"}),
        ("sid=" + "x" * 33, {"sid"}),
        ("uid=" + "x" * 257, {"uid"}),
        ("mobile=12", {"mobile"}),
        ("mobile=%2B%2B123", {"mobile"}),
        ("mobile=1520520131x", {"mobile"}),
        ("sid=a&limit=0", {"limit"}),
        ("sid=a&limit=101", {"limit"}),
        ("sid=a&account=-", {"account"}),
        ("sid=a&phone=1", {"phone"}),
    ],
)
async def test_a_wrong_search_is_refused(client, query, fields):
    answer = await client.get(f"/v1/reports?{query}")
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == fields
