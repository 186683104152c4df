"""What the API refuses, asked of the real process: no token, unknown ids, poisonous reports."""

import http.client
import json

import pytest
from tests.acceptance.customers import (
    Endpoint,
    answer,
    answering,
    ask,
    in_state,
    metric,
    running,
)
from tests.acceptance.harness import TOKEN, report, reports
from tests.scaffolding import wait_for


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service")) as service:
        service.api("PUT", "/v1/accounts/acme", {"name": "ACME"})
        yield service


@pytest.fixture(scope="module")
def routes(service):
    """Method and path of every call below /v1, with an account and a push that do not exist."""
    document = service.api("GET", "/openapi.json")
    found = [
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "put", "post", "patch", "delete") and path.startswith("/v1")
    ]
    assert len(found) >= 12
    return found


TOKENS = {
    "none": None,
    "wrong": "not-the-operator-token-at-all",
    "empty": "",
    "shortened": TOKEN[:-1],
    "lengthened": TOKEN + "x",
    "upper case": TOKEN.upper(),
    "twice": f"{TOKEN} {TOKEN}",
}


@pytest.mark.parametrize("name", TOKENS)
def test_without_the_token(service, routes, name):
    """Every call answers 401, whether what it names exists or not, and tells nothing else."""
    before = service.api("GET", "/v1/accounts")
    bodies = set()
    for method, path in [*routes, ("GET", "/v1"), ("GET", "/v1/"), ("GET", "/v1/nothing")]:
        for account in ("acme", "nobody"):
            at = path.replace("{account}", account).replace("{id}", "push_0000000000000")
            body = None if method in ("GET", "DELETE") else {"name": "x", "mode": "off"}
            refused = ask(service, method, at, body, token=TOKENS[name])
            assert refused.status == 401, (method, at)
            assert refused.is_problem
            assert refused.headers["WWW-Authenticate"].startswith("Bearer")
            bodies.add(refused.body)
    assert len(bodies) == 1, "the answer depends on what was asked for"
    assert service.api("GET", "/v1/accounts") == before


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])
def test_open_to_all(service, path):
    """These ask for no token."""
    assert ask(service, "GET", path, token=None).status == 200


@pytest.mark.parametrize(
    "smuggled", ["//v1/accounts", "/V1/accounts", "/%76%31/accounts", "/./v1/accounts"]
)
def test_other_spellings_of_the_path_lead_nowhere(service, smuggled):
    """No spelling gets around the token."""
    refused = ask(service, "GET", smuggled, token=None)
    assert refused.status in (401, 404)
    assert b"acme" not in refused.body


BODIES = {
    ("PATCH", "/v1/accounts/{account}/push"): {"mode": "paused"},
    ("POST", "/v1/accounts/{account}/redrive"): {"state": "exhausted"},
}


@pytest.mark.parametrize("push", ["push_0000000000000", "0", "x" * 64, "-1"])
def test_unknown_ids(service, routes, push):
    """404 as a problem, in the reader's language, on every call that names an account or push."""
    asked = 0
    for method, path in routes:
        if "{" not in path or (method, path) == ("PUT", "/v1/accounts/{account}"):
            continue
        at = path.replace("{account}", "nobody").replace("{id}", push)
        for language in ("en", "zh"):
            refused = ask(service, method, at, BODIES.get((method, path)), language=language)
            assert refused.status == 404, (method, at, refused.body)
            assert refused.is_problem
            assert refused.json["detail"].isascii() == (language == "en")
            asked += 1
    assert asked >= 14
    missing = ask(service, "GET", "/v1/nothing")
    assert missing.status == 404
    assert missing.is_problem


def test_unknown_account_in_reports(service):
    """An error of the field, and nothing of the submission is stored."""
    made = [report("acme", "u-1"), report("nobody", "u-2"), report("acme", "u-3")]
    refused = ask(service, "POST", "/v1/reports", made)
    assert refused.status == 422
    assert [(e["index"], e["field"]) for e in refused.json["errors"]] == [(1, "account")]
    assert service.api("GET", "/v1/reports?account=acme&sid=u-1")["items"] == []
    unknown = ask(service, "GET", "/v1/reports?account=nobody&sid=u-1")
    assert unknown.status in (200, 404)
    assert unknown.status == 404 or unknown.json["items"] == []


# -- one poisonous report in five hundred --


def _with(**changes: object):
    def poison(good: dict[str, object]) -> bytes:
        return json.dumps({**good, **changes}).encode()

    return poison


def _raw(before: bytes, after: bytes):
    def poison(good: dict[str, object]) -> bytes:
        text = json.dumps({**good, "error_msg": "REPLACE"}, ensure_ascii=False).encode()
        assert before in text
        return text.replace(before, after)

    return poison


POISON = {
    "lone high surrogate": (_raw(b"REPLACE", rb"a\ud800b"), "error_msg"),
    "lone low surrogate": (_raw(b"REPLACE", rb"\udc00"), "error_msg"),
    "surrogates the wrong way round": (_raw(b"REPLACE", rb"\udc00\ud800"), "error_msg"),
    "NUL": (_with(error_msg="a\0b"), "error_msg"),
    "NUL in the sid": (_with(sid="\0"), "sid"),
    "NUL in the uid": (_with(uid="a\0"), "uid"),
    "1 MB of text": (_with(error_msg="x" * 1_000_000), "error_msg"),
    "1 MB of uid": (_with(uid="y" * 1_000_000), "uid"),
    "sid too long": (_with(sid="s" * 33), "sid"),
    "sid empty": (_with(sid=""), "sid"),
    "sid a number": (_with(sid=12345), "sid"),
    "mobile a number": (_with(mobile=15205201314), "mobile"),
    "mobile with letters": (_with(mobile="1520520131a"), "mobile"),
    "mobile in other digits": (_with(mobile="１５２０５２０１３１４"), "mobile"),
    "mobile with a line feed": (_with(mobile="15205201314\n"), "mobile"),
    "duration as text": (_with(duration="10"), "duration"),
    "duration true": (_with(duration=True), "duration"),
    "duration 1.5": (_with(duration=1.5), "duration"),
    "duration negative": (_with(duration=-1), "duration"),
    "duration too large": (_with(duration=2**31), "duration"),
    "duration NaN": (_raw(b'"duration": 7', b'"duration": NaN'), None),
    "no such date": (_with(user_receive_time="2026-02-30 00:00:00"), "user_receive_time"),
    "status in lower case": (_with(report_status="success"), "report_status"),
    "unknown key": (_with(extra=1), "extra"),
    "null mobile": (_with(mobile=None), "mobile"),
    "not UTF-8": (_raw(b"REPLACE", b"\xff\xfe"), None),
    "a list": (lambda good: b"[1]", None),
    "nested without end": (lambda good: b"[" * 100_000, None),
}


@pytest.fixture(scope="module")
def pushed(service):
    """An account whose endpoint takes everything, for all poisoned batches."""
    with Endpoint(answering(answer())) as endpoint:
        service.account("poison", endpoint.url)
        yield endpoint


@pytest.mark.parametrize("form", ["json", "ndjson"])
@pytest.mark.parametrize("name", POISON)
def test_poison(service, pushed, name, form):
    """The batch of 500 is refused, the culprit named; without it the 499 are delivered."""
    poison, field = POISON[name]
    tag = f"{list(POISON).index(name)}{form[0]}"
    batch = reports("poison", tag, 500)
    culprit = 250 + 7
    lines = [json.dumps(each).encode() for each in batch]
    lines[culprit] = poison({**batch[culprit], "duration": 7})
    kind = "application/x-ndjson" if form == "ndjson" else "application/json"
    body = b"\n".join(lines) if form == "ndjson" else b"[" + b",".join(lines) + b"]"
    before = service.api("GET", "/v1/accounts/poison")["accepted_reports"]

    refused = ask(service, "POST", "/v1/reports", body, kind=kind)
    assert refused.status in ((422,) if field else (400, 422)), refused.body[:300]
    assert refused.is_problem
    assert len(refused.body) < 5000, "an error does not repeat a megabyte"
    if field:
        errors = refused.json["errors"]
        assert {(e["index"], e["field"]) for e in errors} == {(culprit, field)}
        zh = ask(service, "POST", "/v1/reports", body, kind=kind, language="zh")
        assert not zh.json["errors"][0]["message"].isascii()
    assert service.api("GET", "/v1/accounts/poison")["accepted_reports"] == before
    assert service.api("GET", f"/v1/reports?account=poison&sid={tag}-0")["items"] == []

    good = batch[:culprit] + batch[culprit + 1 :]
    assert service.submit(good) == {"accepted": 499, "duplicates": 0}
    wanted = {each["sid"] for each in good}

    def arrived() -> bool:
        return wanted <= {sid for a in list(pushed.arrivals) for sid in a.sids}

    wait_for("the 499", arrived)
    pushed.arrivals.clear()


def test_a_hundred_errors_are_listed(service):
    """All are counted, the first hundred named."""
    made = [{**each, "mobile": 1} for each in reports("acme", "h", 300)]
    refused = ask(service, "POST", "/v1/reports", made)
    assert refused.status == 422
    assert [e["index"] for e in refused.json["errors"]] == list(range(100))
    assert refused.json["error_count"] == 300


def test_too_much(service):
    """More than 10,000 reports or 16 MiB: nothing is stored, and the service lives on."""
    made = reports("acme", "t", 10_001)
    assert ask(service, "POST", "/v1/reports", made).status == 413
    large = b"[" + b" " * (16 * 1024 * 1024) + b"]"
    # Not by urllib, which has the connection closed and so misses an answer given while it writes.
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.request("POST", "/v1/reports", large, {"Authorization": f"Bearer {TOKEN}"})
    assert connection.getresponse().status == 413
    connection.close()
    assert service.api("GET", "/v1/reports?account=acme&sid=t-0")["items"] == []
    assert service.submit(made[:10_000])["accepted"] == 10_000
    assert metric(service, "statuspush_store_up") == 1
    assert not service.log("Traceback")
    in_state(service, "poison", "delivered")
