"""Facts about PATCH /v1/accounts/{account}/push."""

import asyncio

import pytest

from statuspush.core.lifecycle import Halve
from statuspush.core.outcome import Outcome, Verdict
from statuspush.core.push import Attempt
from statuspush.store.base import Recording

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
async def patch(client):
    await client.put("/v1/accounts/acme", json={"name": "ACME"})

    async def patch(**settings):
        return await client.patch("/v1/accounts/acme/push", json=settings)

    return patch


@pytest.fixture
def stored(store):
    async def stored():
        return (await store.get_account("acme")).push

    return stored


def fields(answer):
    return {error["field"] for error in answer.json()["errors"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "off"),
        ("mode", "paused"),
        ("url", "https://customer.example:8443/status?x=1"),
        ("url", "http://127.0.0.1/refused-when-sent"),
        ("url", None),
        ("wire", "robust"),
        ("wire", "plain"),
        ("wire", "double"),
        ("max_reports", 1),
        ("max_reports", 500),
        ("max_bytes", None),
        ("max_bytes", 1_000),
        ("max_bytes", 100_000_000),
        ("max_in_flight", 1),
        ("max_in_flight", 64),
        ("connect_seconds", 0.1),
        ("connect_seconds", 15),
        ("timeout_seconds", 5),
        ("timeout_seconds", 300.0),
        ("headers", {}),
    ],
)
async def test_a_setting_is_taken_and_shown(patch, name, value):
    answer = await patch(**{name: value})
    assert (answer.status_code, answer.json()[name]) == (200, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "ON"),
        ("mode", None),
        ("mode", True),
        ("url", ""),
        ("url", "customer.example"),
        ("url", "ftp://customer.example"),
        ("url", "http://user:pass@customer.example"),
        ("url", "http://exa mple.com"),
        ("url", "http://a/" + "x" * 2048),
        ("url", 5),
        ("wire", "Plain"),
        ("wire", None),
        ("max_reports", 0),
        ("max_reports", 501),
        ("max_reports", "10"),
        ("max_reports", 10.0),
        ("max_reports", True),
        ("max_reports", None),
        ("max_reports", 10**40),
        ("max_bytes", 999),
        ("max_bytes", 100_000_001),
        ("max_bytes", "5000"),
        ("max_in_flight", 0),
        ("max_in_flight", 65),
        ("max_in_flight", False),
        ("connect_seconds", 0.09),
        ("connect_seconds", 60.1),
        ("connect_seconds", "5"),
        ("connect_seconds", None),
        ("timeout_seconds", 0.4),
        ("timeout_seconds", 300.5),
        ("timeout_seconds", True),
        ("secret", "whsec_short"),
        ("secret", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("secret", "set"),
        ("secret", 5),
        ("headers", None),
        ("headers", []),
        ("headers", {"X-Key": 5}),
        ("headers", {"X-Key": None}),
        ("headers", {"X Key": "x"}),
        ("headers", {"X-Key": "a\r\nX-Evil: b"}),
        ("headers", {"Content-Type": "text/plain"}),
        ("headers", {"webhook-id": "x"}),
        ("headers", {"X-Key": "a", "x-key": "b"}),
        ("headers", {f"X-{i}": "x" for i in range(21)}),
    ],
)
async def test_a_wrong_value_is_a_mistake_of_its_field(patch, stored, name, value):
    before = await stored()
    answer = await patch(**{name: value})
    assert answer.status_code == 422
    assert fields(answer) == {name}
    assert await stored() == before


@pytest.mark.parametrize("name", ["learned_max_bytes", "effective_max_bytes", "maxReports", ""])
async def test_an_unknown_setting_is_refused(patch, name):
    answer = await patch(**{name: 5})
    assert (answer.status_code, fields(answer)) == (422, {name})


async def test_every_mistake_is_named_at_once(patch):
    answer = await patch(mode="on", max_reports=0, wire="x", nonsense=1)
    assert fields(answer) == {"url", "max_reports", "wire", "nonsense"}
    assert answer.json()["error_count"] == 4


async def test_mistakes_are_explained_in_chinese_too(client, patch):
    answer = await client.patch(
        "/v1/accounts/acme/push", json={"url": "x"}, headers={"Accept-Language": "zh"}
    )
    assert "必须以 http:// 或 https:// 开头" in answer.json()["errors"][0]["message"]


async def test_what_is_not_named_stays(patch):
    await patch(url="https://customer.example/", max_reports=10)
    answer = await patch(wire="plain")
    assert answer.json()["url"] == "https://customer.example/"
    assert answer.json()["max_reports"] == 10


async def test_an_empty_patch_changes_nothing(patch, stored):
    before = await stored()
    assert (await patch()).status_code == 200
    assert await stored() == before


async def test_switching_on_needs_a_url(patch):
    answer = await patch(mode="on")
    assert (answer.status_code, fields(answer)) == (422, {"url"})


async def test_url_and_mode_may_come_together(patch):
    assert (await patch(mode="on", url="https://customer.example/")).json()["mode"] == "on"


async def test_the_url_cannot_be_taken_away_while_on(patch):
    await patch(mode="on", url="https://customer.example/")
    assert fields(await patch(url=None)) == {"url"}


@pytest.mark.parametrize(
    ("settings", "holds"),
    [
        ({"connect_seconds": 20}, 15),
        ({"timeout_seconds": 3}, 3),
        ({"connect_seconds": 20, "timeout_seconds": 20}, 20),
    ],
)
async def test_the_limit_for_connecting_is_lowered_to_that_of_the_whole(patch, settings, holds):
    answer = await patch(**settings)
    assert (answer.status_code, answer.json()["connect_seconds"]) == (200, holds)


async def test_the_secret_is_stored_and_never_shown(client, patch, stored):
    answer = await patch(secret=SECRET)
    shown = await client.get("/v1/accounts/acme")
    assert (await stored()).secret == SECRET
    assert answer.json()["secret"] == shown.json()["push"]["secret"] == "set"
    assert SECRET not in answer.text + shown.text


async def test_the_secret_can_be_taken_away(patch):
    await patch(secret=SECRET)
    assert (await patch(secret=None)).json()["secret"] is None


async def test_a_wrong_secret_is_not_repeated(patch):
    assert "whsec_almost" not in (await patch(secret="whsec_almost")).text


async def test_values_of_headers_are_never_shown(client, patch, stored):
    answer = await patch(headers={"Authorization": "Basic c2VjcmV0", "X-Key": "k"})
    shown = await client.get("/v1/accounts/acme")
    assert (await stored()).headers == (("Authorization", "Basic c2VjcmV0"), ("X-Key", "k"))
    assert answer.json()["headers"] == {"Authorization": "***", "X-Key": "***"}
    assert "c2VjcmV0" not in answer.text + shown.text


async def test_headers_are_replaced_as_a_whole(patch, stored):
    await patch(headers={"X-A": "1", "X-B": "2"})
    await patch(headers={"X-C": "3"})
    assert (await stored()).headers == (("X-C", "3"),)


async def test_settings_sent_back_as_shown_keep_the_values_of_headers(patch, stored):
    await patch(headers={"X-A": "1", "X-B": "2"})
    await patch(headers={"X-A": "***", "X-B": "new"})
    assert (await stored()).headers == (("X-A", "1"), ("X-B", "new"))


async def test_a_mask_without_a_stored_value_is_refused(patch, stored):
    answer = await patch(headers={"X-A": "***"})
    assert (answer.status_code, fields(answer)) == (422, {"headers"})
    assert (await stored()).headers == ()


async def test_a_wrong_header_is_not_repeated_with_its_value(patch):
    assert "s3cret" not in (await patch(headers={"X-A": "s3cret\n"})).text


@pytest.fixture
async def learned(acme, submit, customer, store, clock):
    """The account has learned a limit from an answer of 413."""
    await submit(4)
    (push,) = await customer.claim()
    attempt = Attempt(1, clock.now(), 5, Verdict(Outcome.TOO_LARGE, 413), reports=4)
    recording = Recording(push.id, push.token, attempt, Halve(2000))
    await store.record_outcomes([recording], clock.now())
    return 2000


async def test_the_learned_limit_is_shown(client, learned):
    push = (await client.get("/v1/accounts/acme")).json()["push"]
    assert push["learned_max_bytes"] == push["effective_max_bytes"] == learned


@pytest.mark.parametrize(
    ("name", "value"),
    [("url", "https://other.example/"), ("max_bytes", 50_000), ("max_reports", 100)],
)
async def test_a_change_of_url_or_size_forgets_the_learned_limit(client, learned, name, value):
    answer = await client.patch("/v1/accounts/acme/push", json={name: value})
    assert answer.json()["learned_max_bytes"] is None


async def test_another_change_keeps_the_learned_limit(client, learned):
    answer = await client.patch("/v1/accounts/acme/push", json={"timeout_seconds": 20})
    assert answer.json()["learned_max_bytes"] == learned


async def test_the_learned_limit_may_be_the_smaller_one(client, acme):
    answer = await client.patch("/v1/accounts/acme/push", json={"max_bytes": 50_000})
    assert answer.json()["effective_max_bytes"] == 50_000


async def test_an_answer_has_the_revision_of_the_settings(client, patch):
    shown = await client.get("/v1/accounts/acme")
    unchanged, changed = await patch(), await patch(wire="plain")
    assert shown.headers["etag"] == unchanged.headers["etag"] != changed.headers["etag"]
    assert (await client.get("/v1/accounts/acme")).headers["etag"] == changed.headers["etag"]


@pytest.fixture
def patch_if(client, acme):
    async def patch_if(*tags, **settings):
        headers = {"If-Match": ", ".join(tags)}
        return await client.patch("/v1/accounts/acme/push", json=settings, headers=headers)

    return patch_if


async def test_a_change_of_the_revision_that_was_read_is_made(client, patch_if):
    read = (await client.get("/v1/accounts/acme")).headers["etag"]
    answer = await patch_if(read, wire="plain")
    assert (answer.status_code, answer.json()["wire"]) == (200, "plain")


async def test_a_change_of_an_earlier_revision_is_refused(client, patch_if, stored):
    read = (await client.get("/v1/accounts/acme")).headers["etag"]
    await patch_if(read, max_reports=10)
    answer = await patch_if(read, wire="plain")
    assert (answer.status_code, answer.json()["type"]) == (412, "/problems/precondition-failed")
    assert (await stored()).wire == "robust"


@pytest.mark.parametrize("tag", ["W/{}", '"other"', "{}x", ""])
async def test_a_tag_that_is_not_the_present_one_is_refused(client, patch_if, tag):
    read = (await client.get("/v1/accounts/acme")).headers["etag"]
    assert (await patch_if(tag.format(read), wire="plain")).status_code == 412


async def test_one_of_several_tags_is_enough(client, patch_if):
    read = (await client.get("/v1/accounts/acme")).headers["etag"]
    assert (await patch_if('"1"', "W/" + read, read, wire="plain")).status_code == 200


async def test_a_star_matches_whatever_is_there(patch_if):
    assert (await patch_if("*", wire="plain")).status_code == 200


async def test_patches_at_the_same_time_do_not_undo_each_other(patch):
    await asyncio.gather(
        *(patch(max_reports=n) for n in range(1, 20)),
        patch(wire="plain"),
        patch(max_in_flight=7),
        patch(headers={"X-A": "1"}),
    )
    settings = (await patch()).json()
    assert (settings["wire"], settings["max_in_flight"]) == ("plain", 7)
    assert settings["headers"] == {"X-A": "***"}


async def test_sending_is_woken_by_a_change(patch, outside):
    woken = outside.woken
    await patch(mode="on", url="https://customer.example/")
    assert outside.woken > woken


async def test_switching_off_cancels_what_waits(client, acme, submit):
    await submit(2)
    await client.patch("/v1/accounts/acme/push", json={"mode": "off"})
    account = (await client.get("/v1/accounts/acme")).json()
    assert (account["waiting_reports"], account["counts"]["reports"]["cancelled"]) == (0, 2)
