"""Facts about pushes, and asking for another round."""

import pytest

from statuspush.core.outcome import Outcome


@pytest.fixture
def pushes(client):
    async def pushes(query=""):
        answer = await client.get(f"/v1/accounts/acme/pushes{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    return pushes


@pytest.fixture
async def three(acme, submit, customer):
    """Three delivered pushes of 1, 2 and 3 reports; their ids."""
    ids = []
    for count in (1, 2, 3):
        await submit(count, first=10 * count)
        ids += await customer.answer(Outcome.ACKNOWLEDGED)
    return ids


async def test_pushes_are_listed_newest_first(pushes, three):
    page = await pushes()
    assert [item["id"] for item in page["items"]] == three[::-1]
    assert page["next"] is None


async def test_a_listed_push_has_all_that_a_list_needs(pushes, acme, submit, customer):
    await submit(2)
    (push,) = await customer.answer(Outcome.TIMEOUT, status=None, answer=b"")
    assert (await pushes())["items"] == [
        {
            "id": push,
            "account": "acme",
            "state": "waiting",
            "reports": 2,
            "attempts": 1,
            "created_at": "2026-01-02T03:04:05.678Z",
            "due_at": "2026-01-02T03:09:05.678Z",
            "delivered_at": None,
            "redrive_of": None,
        }
    ]


async def test_the_cursor_leads_to_the_next_page(pushes, three):
    first = await pushes("?limit=2")
    second = await pushes(f"?limit=2&cursor={first['next']}")
    assert [item["id"] for item in first["items"] + second["items"]] == three[::-1]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("state", "count"),
    [("delivered", 3), ("waiting", 0), ("sending", 0), ("exhausted", 0), ("cancelled", 0)],
)
async def test_pushes_are_filtered_by_state(pushes, three, state, count):
    assert len((await pushes(f"?state={state}"))["items"]) == count


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=lost", "state"),
        ("state=", "state"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=1e1", "limit"),
        ("limit=%2B5", "limit"),
        ("limit=", "limit"),
        ("cursor=", "cursor"),
        ("cursor=" + "x" * 201, "cursor"),
        ("stat=waiting", "stat"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_a_wrong_parameter_is_named(client, acme, query, field):
    answer = await client.get(f"/v1/accounts/acme/pushes?{query}")
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {field}


async def test_a_cursor_that_no_page_gave_is_refused(client, acme):
    assert (await client.get("/v1/accounts/acme/pushes?cursor=nonsense")).status_code == 422


async def test_a_push_is_shown_with_its_reports(client, acme, submit, customer, report):
    await submit(1, uid=None, mobile="+37258483726", error_msg="50% 用户关机")
    (push,) = await customer.answer(Outcome.ACKNOWLEDGED)
    (shown,) = (await client.get(f"/v1/pushes/{push}")).json()["reports"]
    expected = report(uid=None, mobile="+37258483726", error_msg="50% 用户关机")
    del expected["account"]
    assert shown == expected


async def test_reports_of_a_push_have_the_keys_of_the_contract_in_order(client, three):
    reports = (await client.get(f"/v1/pushes/{three[2]}")).json()["reports"]
    assert [report["sid"] for report in reports] == ["sid-30", "sid-31", "sid-32"]
    assert list(reports[0]) == [
        "sid",
        "uid",
        "user_receive_time",
        "duration",
        "error_msg",
        "mobile",
        "report_status",
    ]


async def test_attempts_are_shown_and_explained(client, acme, submit, customer, clock):
    await submit(1)
    await customer.answer(Outcome.WRONG_ANSWER, answer=b'"SUCCESS"')
    clock.turn(seconds=300)
    (push,) = await customer.answer(Outcome.ACKNOWLEDGED)
    shown = (await client.get(f"/v1/pushes/{push}")).json()
    first, second = shown["attempts"]
    assert "quotation marks" in first.pop("hint")
    assert first == {
        "number": 1,
        "started_at": "2026-01-02T03:04:05.678Z",
        "duration_ms": 7,
        "outcome": "wrong_answer",
        "http_status": 200,
        "answer": '"SUCCESS"',
        "detail": "",
        "reports": 1,
    }
    assert (second["number"], second["outcome"]) == (2, "acknowledged")
    assert shown["state"] == "delivered"


async def test_hints_are_in_chinese_too(client, acme, submit, customer):
    await submit(1)
    (push,) = await customer.answer(Outcome.WRONG_ANSWER, answer=b"ok")
    shown = await client.get(f"/v1/pushes/{push}", headers={"Accept-Language": "zh"})
    assert not shown.json()["attempts"][0]["hint"].isascii()


async def test_an_answer_in_another_charset_is_shown_as_far_as_it_can_be(
    client, acme, submit, customer
):
    await submit(1)
    (push,) = await customer.answer(Outcome.WRONG_ANSWER, answer=b"\x00\xff<b>\xe6\x88")
    (attempt,) = (await client.get(f"/v1/pushes/{push}")).json()["attempts"]
    assert attempt["answer"] == "\x00\ufffd<b>\ufffd"


@pytest.mark.parametrize("push", ["psh_0000000000000", "nonsense", "x" * 65, "a%20b", "%00", "é"])
async def test_an_unknown_push_is_not_found(client, push):
    assert (await client.get(f"/v1/pushes/{push}")).status_code == 404
    assert (await client.post(f"/v1/pushes/{push}/redrive")).status_code == 404


async def test_a_redrive_makes_a_new_push_over_the_same_reports(client, three, pushes):
    answer = await client.post(f"/v1/pushes/{three[1]}/redrive")
    assert answer.status_code == 202
    (new,) = answer.json()["ids"]
    assert answer.json() == {"pushes": 1, "reports": 2, "ids": [new]}
    assert (await pushes("?state=waiting"))["items"][0]["redrive_of"] == three[1]


async def test_sending_is_woken_by_a_redrive(client, three, outside):
    woken = outside.woken
    await client.post(f"/v1/pushes/{three[0]}/redrive")
    await client.post("/v1/accounts/acme/redrive")
    assert outside.woken == woken + 2


async def test_a_redrive_of_what_is_under_way_is_refused(client, three):
    await client.post(f"/v1/pushes/{three[0]}/redrive")
    answer = await client.post(f"/v1/pushes/{three[0]}/redrive")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")


async def test_a_redrive_of_the_account_takes_the_exhausted_by_default(
    client, three, submit, customer
):
    await submit(5, first=100)
    await customer.exhaust()
    answer = await client.post("/v1/accounts/acme/redrive")
    assert (answer.status_code, answer.json()["pushes"], answer.json()["reports"]) == (202, 1, 5)


@pytest.mark.parametrize(
    ("body", "reports"),
    [
        ({}, 0),
        ({"state": "delivered"}, 6),
        ({"state": ["delivered", "cancelled"]}, 6),
        ({"state": "cancelled"}, 0),
        ({"state": "delivered", "since": "2026-01-02T03:04:05Z"}, 6),
        ({"state": "delivered", "since": "2026-01-02T11:04:06+08:00"}, 0),
        ({"state": "delivered", "until": "2026-01-02T03:04:06.000Z"}, 6),
        ({"state": "delivered", "until": "2026-01-02T03:04:05.678Z"}, 0),
        ({"state": "delivered", "since": "2026-01-02T03:04:05.678Z", "until": None}, 6),
        ({"state": "delivered", "since": "1900-01-01T00:00:00Z"}, 6),
        ({"state": "delivered", "until": "9999-12-31T23:59:59-08:00"}, 6),
    ],
)
async def test_a_redrive_of_the_account_is_limited_by_state_and_time(client, three, body, reports):
    answer = await client.post("/v1/accounts/acme/redrive", json=body)
    assert (answer.status_code, answer.json()["reports"]) == (202, reports)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"state": "waiting"}, "state"),
        ({"state": "sending"}, "state"),
        ({"state": []}, "state"),
        ({"state": ["delivered", "waiting"]}, "state"),
        ({"state": [["delivered"]]}, "state"),
        ({"state": None}, "state"),
        ({"since": "2026-01-02"}, "since"),
        ({"since": "2026-01-02T03:04:05"}, "since"),
        ({"since": "2026-02-30T03:04:05Z"}, "since"),
        ({"since": "2026-01-02T24:04:05Z"}, "since"),
        ({"since": 1_767_323_045}, "since"),
        ({"until": "yesterday"}, "until"),
        ({"since": "2026-01-02T03:04:05Z", "until": "2026-01-02T03:04:05Z"}, "until"),
        ({"from": "2026-01-02T03:04:05Z"}, "from"),
    ],
)
async def test_a_wrong_redrive_is_refused(client, acme, body, field):
    answer = await client.post("/v1/accounts/acme/redrive", json=body)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {field}
