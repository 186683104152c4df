"""Facts about the operator's token."""

import pytest

V1 = [
    ("GET", "/v1/accounts"),
    ("PUT", "/v1/accounts/acme"),
    ("GET", "/v1/accounts/acme"),
    ("DELETE", "/v1/accounts/acme"),
    ("PATCH", "/v1/accounts/acme/push"),
    ("POST", "/v1/accounts/acme/push/test"),
    ("GET", "/v1/accounts/acme/pushes"),
    ("POST", "/v1/accounts/acme/redrive"),
    ("GET", "/v1/pushes/psh_0"),
    ("POST", "/v1/pushes/psh_0/redrive"),
    ("POST", "/v1/reports"),
    ("GET", "/v1/reports"),
    ("OPTIONS", "/v1/reports"),
    ("HEAD", "/v1/accounts"),
    ("GET", "/v1"),
    ("GET", "/v1/no/such/thing"),
]


@pytest.mark.parametrize(("method", "path"), V1)
async def test_everything_below_v1_asks_for_the_token(stranger, method, path):
    answer = await stranger.request(method, path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])
async def test_probes_and_documents_need_no_token(stranger, path):
    assert (await stranger.get(path)).status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer {token}x",
        "Bearer x{token}",
        "Basic {token}",
        "{token}",
        "Bearer {token} {token}",
        "Bearer {token},Bearer {token}",
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/accounts"), ("POST", "/v1/reports")])
async def test_a_wrong_token_is_refused(stranger, token, value, method, path):
    headers = {"Authorization": value.format(token=token)}
    assert (await stranger.request(method, path, headers=headers)).status_code == 401


async def test_two_tokens_are_refused_even_if_one_is_right(stranger, token):
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer other")]
    assert (await stranger.get("/v1/accounts", headers=headers)).status_code == 401


async def test_the_name_of_the_scheme_may_be_in_any_case(stranger, token):
    answer = await stranger.get("/v1/accounts", headers={"Authorization": f"bEARER {token}"})
    assert answer.status_code == 200


async def test_the_refusal_does_not_repeat_the_token(stranger):
    answer = await stranger.get("/v1/accounts", headers={"Authorization": "Bearer guess-1234"})
    assert "guess-1234" not in answer.text


async def test_a_prefix_set_by_a_proxy_does_not_open_v1(deps):
    """Routes are found by the same path that the token is asked for."""
    from statuspush.web.app import create_app

    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "root_path": "/prefix",
        "path": "/prefix/v1/accounts",
        "raw_path": b"/prefix/v1/accounts",
        "query_string": b"",
        "headers": [],
    }
    await create_app(deps)(scope, receive, send)
    assert sent[0]["status"] == 404
