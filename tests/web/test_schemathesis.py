"""The service behaves as its OpenAPI document says, whatever is sent to it.

Schemathesis makes requests from the document, good and bad ones, and sends them to a server with
a real socket and a real store: random ones, but the same in each run.
"""

import asyncio
import re
from zoneinfo import ZoneInfo

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

from statuspush.core.rules import ACCOUNT_PATTERN
from statuspush.telemetry import Telemetry
from statuspush.web.app import WebDependencies, create_app

load_all_checks()
# Good values are refused too when they name no account, or dates that no calendar has.
UNFIT = CHECKS.get_by_names(["positive_data_acceptance"])


def known(account):
    """An existing account for about every second valid name; others stay as they are."""
    valid = isinstance(account, str) and re.fullmatch(ACCOUNT_PATTERN, account)
    return "acme" if valid and len(account) % 2 else account


@pytest.fixture(scope="module")
def operator(live_server, token):
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=live_server, headers=headers) as client:
        yield client


def create(operator, account):
    """The account, with push on."""
    operator.put(f"/v1/accounts/{account}", json={"name": "x"}).raise_for_status()
    settings = {"mode": "on", "url": "https://customer.example/"}
    operator.patch(f"/v1/accounts/{account}/push", json=settings).raise_for_status()


@pytest.fixture(scope="module")
def push(operator, report):
    """The id of a push that exists, of an account that no request names; ``acme`` exists too."""
    create(operator, "acme")
    create(operator, "kept")
    operator.post("/v1/reports", json=report(account="kept")).raise_for_status()
    operator.patch("/v1/accounts/kept/push", json={"mode": "off"}).raise_for_status()
    operator.patch("/v1/accounts/kept/push", json={"mode": "on"}).raise_for_status()
    (cancelled,) = operator.get("/v1/accounts/kept/pushes").json()["items"]
    return cancelled["id"]


def described():
    """The document, from an application that is given nothing: it is not called further."""

    async def fetch():
        nothing = WebDependencies(
            store=None,
            accept=None,
            test_push=None,
            metrics=None,
            clock=None,
            telemetry=Telemetry(),
            timezone=ZoneInfo("Asia/Shanghai"),
            operator_token_hash=bytes,
        )
        transport = httpx.ASGITransport(create_app(nothing))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return (await client.get("/openapi.json")).json()

    return asyncio.run(fetch())


# 413 for more reports than one request may hold; 400 and 422 are among the usual refusals.
REFUSALS = ["400", "401", "404", "405", "409", "413", "415", "422"]
CONFIG = {"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}}


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return {"data": value if isinstance(value, bytes) else str(value).encode()}


schema = schemathesis.openapi.from_dict(described(), config=schemathesis.Config.from_dict(CONFIG))


@schema.hook
def map_path_parameters(context, path_parameters):
    if path_parameters and "account" in path_parameters:
        path_parameters["account"] = known(path_parameters["account"])
    return path_parameters


@schema.hook
def map_body(context, body):
    for report in body if isinstance(body, list) else [body]:
        if isinstance(report, dict) and "account" in report:
            report["account"] = known(report["account"])
    return body


@schema.parametrize()
@settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_does_as_documented(case, live_server, operator, push, token):
    if case.path_parameters and len(str(case.path_parameters.get("id", ""))) % 2:
        case.path_parameters["id"] = push
    case.call_and_validate(
        base_url=live_server,
        headers={"Authorization": f"Bearer {token}"},
        excluded_checks=UNFIT,
        timeout=10,
    )
    if case.method == "DELETE":
        create(operator, "acme")
