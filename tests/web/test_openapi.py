"""Facts about the OpenAPI document and its page."""

import re

import pytest

ROUTES = {
    ("/v1/accounts", "get"),
    ("/v1/accounts/{account}", "put"),
    ("/v1/accounts/{account}", "get"),
    ("/v1/accounts/{account}", "delete"),
    ("/v1/accounts/{account}/push", "patch"),
    ("/v1/accounts/{account}/push/test", "post"),
    ("/v1/accounts/{account}/pushes", "get"),
    ("/v1/accounts/{account}/redrive", "post"),
    ("/v1/pushes/{id}", "get"),
    ("/v1/pushes/{id}/redrive", "post"),
    ("/v1/reports", "post"),
    ("/v1/reports", "get"),
    ("/healthz", "get"),
    ("/readyz", "get"),
    ("/metrics", "get"),
}


@pytest.fixture
async def document(stranger):
    return (await stranger.get("/openapi.json")).json()


@pytest.fixture
def operations(document):
    return {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_described_and_no_other(operations):
    assert set(operations) == ROUTES


def test_it_is_written_in_the_version_that_the_page_can_read(document):
    assert document["openapi"].startswith("3.0.")


def test_nothing_of_a_later_version_is_left_in_it(document):
    def walk(node):
        if isinstance(node, list):
            for item in node:
                walk(item)
        elif isinstance(node, dict):
            assert node.get("type") != "null"
            assert not isinstance(node.get("type"), list)
            assert not {"const", "prefixItems", "$defs"} & node.keys()
            for item in node.values():
                walk(item)

    walk(document["components"]["schemas"])
    walk([list(methods.values()) for methods in document["paths"].values()])


def test_every_reference_leads_somewhere(document):
    def walk(node):
        if isinstance(node, list):
            for item in node:
                walk(item)
        elif isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                assert node["$ref"].split("/")[-1] in document["components"]["schemas"]
            for item in node.values():
                walk(item)

    walk(document)


def test_the_token_is_asked_for_below_v1_and_nowhere_else(operations):
    for (path, _), operation in operations.items():
        assert ("security" in operation) == path.startswith("/v1/")
        assert ("401" in operation["responses"]) == path.startswith("/v1/")


def test_every_error_is_a_problem_document(operations):
    for operation in operations.values():
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"]


def test_every_operation_has_a_name_a_summary_and_a_tag(operations):
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z_]+", name) for name in names)
    assert all(operation["summary"] and operation["tags"] for operation in operations.values())


def test_submitting_is_described_in_full(operations):
    operation = operations["/v1/reports", "post"]
    body = operation["requestBody"]["content"]
    assert set(body) == {"application/json", "application/x-ndjson"}
    assert set(body["application/json"]["examples"]) == {"one", "array"}
    statuses = {"202", "400", "401", "408", "413", "415", "422", "429", "500", "503"}
    assert set(operation["responses"]) == statuses
    assert "Retry-After" in operation["responses"]["429"]["headers"]
    assert "Retry-After" in operation["responses"]["503"]["headers"]


async def test_the_examples_of_the_document_are_accepted(client, acme, operations):
    examples = operations["/v1/reports", "post"]["requestBody"]["content"]["application/json"]
    for example in examples["examples"].values():
        assert (await client.post("/v1/reports", json=example["value"])).status_code == 202


def test_the_configured_time_zone_is_named(document):
    time = document["components"]["schemas"]["Submission"]["properties"]["user_receive_time"]
    assert "Asia/Shanghai" in time["description"]


async def test_the_page_needs_nothing_from_the_internet(stranger):
    for path in ("/docs", "/docs/start.js"):
        assert "//" not in (await stranger.get(path)).text.replace("<!doctype html>", "")


async def test_everything_that_the_page_names_is_there(stranger):
    page = (await stranger.get("/docs")).text
    names = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(names) >= 4
    for name in names:
        assert (await stranger.get("/" + name)).status_code == 200


async def test_the_page_may_load_only_from_here(stranger):
    policy = (await stranger.get("/docs")).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy


@pytest.mark.parametrize("name", ["index.html", "oauth2-redirect.html", "..%2f__init__.py", "x"])
async def test_no_other_file_is_served(stranger, name):
    assert (await stranger.get(f"/docs/{name}")).status_code == 404
