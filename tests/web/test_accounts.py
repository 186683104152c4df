"""Facts about accounts."""

import asyncio
import hashlib

import pytest

from statuspush.core.outcome import Outcome


async def test_a_new_account_is_created_with_a_key(client):
    answer = await client.put("/v1/accounts/acme", json={"name": "ACME"})
    assert answer.status_code == 201
    assert len(answer.json()["apikey"]) >= 43
    assert answer.headers["location"] == "/v1/accounts/acme"


async def test_a_second_put_renames_and_shows_no_key(client):
    await client.put("/v1/accounts/acme", json={"name": "ACME"})
    answer = await client.put("/v1/accounts/acme", json={"name": "重庆公司"})
    assert (answer.status_code, answer.json()["name"]) == (200, "重庆公司")
    assert "apikey" not in answer.json()


async def test_keys_differ(client):
    keys = {
        (await client.put(f"/v1/accounts/a{i}", json={"name": "x"})).json()["apikey"]
        for i in range(5)
    }
    assert len(keys) == 5


async def test_only_the_hash_of_the_key_is_stored(client, tmp_path):
    key = (await client.put("/v1/accounts/acme", json={"name": "ACME"})).json()["apikey"]
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key.encode() not in stored
    assert hashlib.sha256(key.encode()).digest() in stored


@pytest.mark.parametrize("account", ["a", "A1", "0", "a.b_c-d", "x" * 64])
async def test_a_name_of_letters_digits_and_some_signs_is_taken(client, account):
    assert (await client.put(f"/v1/accounts/{account}", json={"name": "x"})).status_code == 201


@pytest.mark.parametrize("account", ["-a", ".a", "_a", "a b", "a%0Ab", "a%2Bb", "é", "x" * 65])
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
async def test_another_name_is_a_mistake_of_the_field_account(client, account, method):
    answer = await client.request(method, f"/v1/accounts/{account}", json={"name": "x"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "account"


@pytest.mark.parametrize(
    "name", ["", "x" * 201, "a\nb", "a\u0000b", "a\u0085b", 5, None, True, ["a"]]
)
async def test_a_display_name_has_1_to_200_characters_without_control_characters(client, name):
    answer = await client.put("/v1/accounts/acme", json={"name": name})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "name"


async def test_the_display_name_is_needed(client):
    answer = await client.put("/v1/accounts/acme", json={})
    assert answer.json()["errors"] == [{"field": "name", "message": "name is missing"}]


async def test_unknown_members_are_refused(client):
    answer = await client.put("/v1/accounts/acme", json={"name": "x", "nmae": "y"})
    assert [error["field"] for error in answer.json()["errors"]] == ["nmae"]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'"x"', b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_json_object_is_malformed(client, body):
    if len(body) > 64 * 1024:
        body = body[: 64 * 1024]
    answer = await client.put("/v1/accounts/acme", content=body)
    assert answer.status_code == 400


async def test_a_small_route_takes_at_most_64_kib(client):
    answer = await client.put("/v1/accounts/acme", content=b" " * (64 * 1024 + 1))
    assert answer.status_code == 413


async def test_a_small_route_takes_only_json(client):
    headers = {"Content-Type": "text/plain"}
    answer = await client.put("/v1/accounts/acme", content=b'{"name":"x"}', headers=headers)
    assert answer.status_code == 415


async def test_a_new_account_has_push_off_and_nothing_in_it(client):
    await client.put("/v1/accounts/acme", json={"name": "ACME"})
    account = (await client.get("/v1/accounts/acme")).json()
    zeros = dict.fromkeys(("waiting", "sending", "delivered", "exhausted", "cancelled"), 0)
    assert account == {
        "account": "acme",
        "name": "ACME",
        "created_at": "2026-01-02T03:04:05.678Z",
        "push": {
            "mode": "off",
            "url": None,
            "wire": "robust",
            "max_reports": 500,
            "max_bytes": None,
            "learned_max_bytes": None,
            "effective_max_bytes": None,
            "max_in_flight": 1,
            "connect_seconds": 5.0,
            "timeout_seconds": 15.0,
            "secret": None,
            "headers": {},
        },
        "counts": {"pushes": zeros, "reports": {**zeros, "expired": 0}},
        "accepted_reports": 0,
        "waiting_reports": 0,
        "oldest_waiting_age_seconds": None,
        "health": {
            "state": "unknown",
            "consecutive_failures": 0,
            "last_outcome": None,
            "hint": None,
            "last_attempt_at": None,
            "last_delivered_at": None,
            "retry_due_at": None,
        },
    }


async def test_the_backlog_and_its_age_are_shown(client, acme, submit, clock):
    await submit(3)
    clock.turn(seconds=90.5)
    account = (await client.get("/v1/accounts/acme")).json()
    assert account["waiting_reports"] == 3
    assert account["oldest_waiting_age_seconds"] == 90.5
    assert account["counts"]["reports"]["waiting"] == 3


async def test_an_endpoint_that_acknowledges_is_ok(client, acme, submit, customer):
    await submit(3)
    await customer.answer(Outcome.ACKNOWLEDGED)
    account = (await client.get("/v1/accounts/acme")).json()
    assert account["health"]["state"] == "ok"
    # 7 milliseconds after it was sent
    assert account["health"]["last_delivered_at"] == "2026-01-02T03:04:05.685Z"
    assert account["counts"]["pushes"]["delivered"] == 1
    assert account["counts"]["reports"]["delivered"] == 3


async def test_a_failing_endpoint_is_explained(client, acme, submit, customer):
    await submit(3)
    await customer.answer(Outcome.TIMEOUT, status=None, answer=b"")
    health = (await client.get("/v1/accounts/acme")).json()["health"]
    assert (health["state"], health["consecutive_failures"]) == ("failing", 1)
    assert health["last_outcome"] == "timeout"
    assert health["hint"]
    assert health["retry_due_at"] == "2026-01-02T03:09:05.678Z"


async def test_an_endpoint_is_explained_in_chinese_too(client, acme, submit, customer):
    await submit(1)
    await customer.answer(Outcome.TIMEOUT, status=None, answer=b"")
    english = await client.get("/v1/accounts/acme")
    chinese = await client.get("/v1/accounts/acme", headers={"Accept-Language": "zh-CN"})
    assert english.json()["health"]["hint"].isascii()
    assert not chinese.json()["health"]["hint"].isascii()


async def test_all_accounts_are_listed_by_name(client):
    for account in ("b", "c", "a"):
        await client.put(f"/v1/accounts/{account}", json={"name": "x"})
    items = (await client.get("/v1/accounts")).json()["items"]
    assert [item["account"] for item in items] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/accounts/nobody"),
        ("DELETE", "/v1/accounts/nobody"),
        ("PATCH", "/v1/accounts/nobody/push"),
        ("POST", "/v1/accounts/nobody/push/test"),
        ("GET", "/v1/accounts/nobody/pushes"),
        ("POST", "/v1/accounts/nobody/redrive"),
        ("GET", "/v1/reports?sid=x&account=nobody"),
    ],
)
async def test_an_unknown_account_is_not_found(client, method, path):
    content = b"{}" if method in ("PATCH", "POST") else None
    answer = await client.request(method, path, content=content)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


async def test_an_account_without_waiting_reports_is_deleted(client, acme):
    assert (await client.delete("/v1/accounts/acme")).status_code == 204
    assert (await client.get("/v1/accounts/acme")).status_code == 404


async def test_deleting_is_refused_while_reports_wait(client, acme, submit):
    await submit(1)
    answer = await client.delete("/v1/accounts/acme")
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")


async def test_deleting_can_be_forced(client, acme, submit):
    await submit(1)
    assert (await client.delete("/v1/accounts/acme?force=true")).status_code == 204


async def test_force_false_forces_nothing(client, acme, submit):
    await submit(1)
    assert (await client.delete("/v1/accounts/acme?force=false")).status_code == 409


@pytest.mark.parametrize("query", ["force=yes", "force=", "force=1", "forse=true"])
async def test_force_is_true_or_false(client, acme, query):
    assert (await client.delete(f"/v1/accounts/acme?{query}")).status_code == 422


async def test_a_test_push_answers_with_the_verdict(client, acme):
    answer = await client.post("/v1/accounts/acme/push/test")
    verdict = answer.json()
    assert answer.status_code == 200
    assert "quotation marks" in verdict.pop("hint")
    assert verdict == {
        "acknowledged": False,
        "outcome": "wrong_answer",
        "http_status": 200,
        "answer": '"SUCCESS"',
        "detail": "",
        "duration_ms": 12,
        "reports": 2,
        "body_bytes": 900,
    }


async def test_a_test_push_goes_to_the_account_as_it_is_set(client, acme, outside):
    await client.post("/v1/accounts/acme/push/test")
    (tested,) = outside.tested
    assert tested.push.url == "https://customer.example/status"


async def test_a_test_push_works_in_every_mode(client, acme):
    for mode in ("off", "on", "paused"):
        await client.patch("/v1/accounts/acme/push", json={"mode": mode})
        assert (await client.post("/v1/accounts/acme/push/test")).status_code == 200


async def test_a_test_push_without_url_is_refused(client):
    await client.put("/v1/accounts/acme", json={"name": "x"})
    assert (await client.post("/v1/accounts/acme/push/test")).status_code == 409


async def test_a_second_test_push_at_once_is_refused(client, acme, outside):
    outside.let_go.clear()
    first = asyncio.create_task(client.post("/v1/accounts/acme/push/test"))
    while not outside.tested:
        await asyncio.sleep(0.001)
    second = await client.post("/v1/accounts/acme/push/test")
    outside.let_go.set()
    assert ((await first).status_code, second.status_code) == (200, 409)


async def test_no_test_push_is_sent_while_shutting_down(client, acme, outside):
    outside.draining = True
    assert (await client.post("/v1/accounts/acme/push/test")).status_code == 503
