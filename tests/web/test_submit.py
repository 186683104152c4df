"""Facts about POST /v1/reports."""

import asyncio
import dataclasses
import json

import pytest

from statuspush.web import body as web_body
from statuspush.web import submit
from statuspush.web.app import create_app

MIB = 1024 * 1024


@pytest.fixture
async def call(deps, token):
    """Call the application as a server would, message by message; the answer's messages."""
    app = create_app(deps)

    async def call(*messages, headers=()):
        waiting = list(messages)
        sent = []

        async def receive():
            if not waiting:
                await asyncio.Event().wait()  # a client that sends nothing more
            return waiting.pop(0)

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/reports",
            "headers": [(b"authorization", f"Bearer {token}".encode()), *headers],
        }
        await app(scope, receive, send)
        return sent

    return call


def part(body, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


async def test_one_report_is_accepted(client, acme, report):
    answer = await client.post("/v1/reports", json=report())
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "duplicates": 0}


async def test_an_array_is_accepted(client, acme, report):
    answer = await client.post("/v1/reports", json=[report(sid="a"), report(sid="b")])
    assert answer.json() == {"accepted": 2, "duplicates": 0}


@pytest.mark.parametrize(
    "kind", ["application/x-ndjson", "application/ndjson", "Application/X-NDJSON; charset=utf-8"]
)
async def test_ndjson_is_accepted(client, acme, report, kind):
    body = "\n".join(json.dumps(report(sid=sid)) for sid in "abc") + "\n"
    answer = await client.post("/v1/reports", content=body, headers={"Content-Type": kind})
    assert answer.json() == {"accepted": 3, "duplicates": 0}


async def test_an_empty_array_is_accepted(client):
    assert (await client.post("/v1/reports", json=[])).json() == {"accepted": 0, "duplicates": 0}


async def test_a_repeat_is_counted_as_a_duplicate(client, acme, submit):
    await submit(3)
    assert (await submit(4)).json() == {"accepted": 1, "duplicates": 3}


async def test_sending_is_woken_by_new_reports(acme, submit, outside):
    woken = outside.woken
    await submit(1)
    assert outside.woken > woken


async def test_a_body_without_a_type_is_json(client, acme, report):
    answer = await client.post("/v1/reports", content=json.dumps(report()))
    assert answer.status_code == 202


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON"])
async def test_json_may_name_its_charset(client, kind):
    headers = {"Content-Type": kind}
    assert (await client.post("/v1/reports", content="[]", headers=headers)).status_code == 202


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=gbk",
        "application/jsonx",
    ],
)
async def test_another_type_is_unsupported(client, kind):
    answer = await client.post("/v1/reports", content="[]", headers={"Content-Type": kind})
    assert answer.status_code == 415


async def test_a_compressed_body_is_unsupported(client):
    answer = await client.post("/v1/reports", content="[]", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[{]", b'"text"', b"[\xff]", b"3", b"null"])
async def test_what_is_no_json_of_reports_is_malformed(client, body):
    answer = await client.post("/v1/reports", content=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed")


async def test_every_mistake_is_listed_with_index_and_field(client, acme, report):
    bad = [report(), report(sid="2", mobile=1), report(sid="3", duration="10", report_status="OK")]
    answer = await client.post("/v1/reports", json=bad)
    found = [(error["index"], error["field"]) for error in answer.json()["errors"]]
    assert answer.status_code == 422
    assert found == [(1, "mobile"), (2, "duration"), (2, "report_status")]


async def test_mistakes_are_explained_in_chinese_too(client, acme, report):
    answer = await client.post(
        "/v1/reports", json=report(duration=True), headers={"Accept-Language": "zh"}
    )
    assert "必须是" in answer.json()["errors"][0]["message"]


async def test_one_invalid_report_keeps_all_out(client, acme, report):
    await client.post("/v1/reports", json=[report(sid="a"), report(sid="b", duration=-1)])
    answer = await client.get("/v1/reports", params={"sid": "a"})
    assert answer.json()["items"] == []


async def test_the_first_hundred_mistakes_are_listed_and_all_counted(client, acme, report):
    bad = [report(sid=str(i), duration=-1) for i in range(150)]
    problem = (await client.post("/v1/reports", json=bad)).json()
    assert (len(problem["errors"]), problem["error_count"]) == (100, 150)


async def test_an_unknown_account_is_a_mistake_of_the_field_account(client, acme, report):
    answer = await client.post("/v1/reports", json=[report(), report(account="nobody")])
    (error,) = answer.json()["errors"]
    assert answer.status_code == 422
    assert (error["index"], error["field"]) == (1, "account")


async def test_more_than_10000_reports_are_too_large(client, acme, report):
    body = json.dumps([report()] * 10_001)
    answer = await client.post("/v1/reports", content=body)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")


async def test_16_mib_are_taken(client):
    body = b" " * (16 * MIB - 2) + b"[]"
    assert (await client.post("/v1/reports", content=body)).status_code == 202


async def test_more_than_16_mib_are_too_large(client):
    body = b" " * (16 * MIB - 1) + b"[]"
    answer = await client.post("/v1/reports", content=body)
    assert (answer.status_code, answer.json()["max_bytes"]) == (413, 16 * MIB)


async def test_a_large_content_length_is_refused_before_the_body_arrives(call):
    sent = await call(headers=[(b"content-length", b"%d" % (16 * MIB + 1))])
    assert sent[0]["status"] == 413


async def test_a_body_in_pieces_without_a_length_is_put_together(call, acme, report):
    body = json.dumps(report()).encode()
    sent = await call(part(body[:10], more=True), part(body[10:20], more=True), part(body[20:]))
    assert (sent[0]["status"], sent[1]["body"]) == (202, b'{"accepted":1,"duplicates":0}')


async def test_a_body_in_pieces_is_refused_as_soon_as_it_is_too_large(call):
    pieces = [part(b" " * MIB, more=True)] * 17  # and no last one: it need not be waited for
    sent = await call(*pieces)
    assert sent[0]["status"] == 413


async def test_a_body_that_does_not_arrive_in_time_is_given_up(call, monkeypatch):
    monkeypatch.setattr(web_body, "BODY_SECONDS", 0.01)
    sent = await call(part(b"[", more=True))
    assert sent[0]["status"] == 408


async def test_a_client_that_leaves_in_the_middle_gets_no_answer(call):
    assert await call(part(b"[", more=True), {"type": "http.disconnect"}) == []


async def test_bodies_that_arrive_together_may_not_exceed_the_intake(deps, client_of, acme):
    """The first has the intake to itself however large it is; the second comes on top of it."""
    finish = asyncio.Event()

    async def slow():
        yield b" " * 4000
        await finish.wait()
        yield b"[]"

    async def fast():
        yield b" " * 2000
        yield b"[]"

    async with client_of(dataclasses.replace(deps, max_intake_bytes=5000)) as client:
        first = asyncio.create_task(client.post("/v1/reports", content=slow()))
        await asyncio.sleep(0.01)
        second = await client.post("/v1/reports", content=fast())
        finish.set()
        assert ((await first).status_code, second.status_code) == (202, 429)
        third = await client.post("/v1/reports", content=fast())
    assert second.headers["retry-after"] == "1"
    assert third.status_code == 202


async def test_nothing_is_accepted_while_shutting_down(client, outside):
    outside.draining = True
    answer = await client.post("/v1/reports", json=[])
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_a_body_that_ends_after_the_shutdown_began_is_refused(deps, client_of, outside):
    async def body():
        yield b"["
        outside.draining = True
        yield b"]"

    async with client_of(deps) as client:
        assert (await client.post("/v1/reports", content=body())).status_code == 503


@pytest.mark.parametrize(
    ("reason", "request_"),
    [
        ("invalid", {"json": [{}]}),
        ("malformed", {"content": b"nonsense"}),
        ("too_large", {"content": b" " * (16 * MIB + 1)}),
        ("unsupported", {"content": b"", "headers": {"Content-Type": "text/plain"}}),
        ("unauthorized", {"headers": {"Authorization": "Bearer wrong"}}),
    ],
)
async def test_refused_submissions_are_counted_by_reason(client, telemetry, reason, request_):
    await client.post("/v1/reports", **request_)
    name = "statuspush_submissions_refused_total"
    assert telemetry.registry.get_sample_value(name, {"reason": reason}) == 1


async def test_accepted_reports_are_counted(telemetry, acme, submit):
    await submit(3)
    await submit(3)
    values = telemetry.registry.get_sample_value
    assert values("statuspush_reports_accepted_total") == 3
    assert values("statuspush_reports_duplicate_total") == 3
    assert values("statuspush_accept_seconds_count") == 2


def test_the_limit_is_the_documented_one():
    assert submit.MAX_BODY == 16 * MIB
