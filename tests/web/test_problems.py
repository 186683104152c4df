"""Facts about error answers."""

import dataclasses

import pytest
import structlog

from statuspush.core.errors import InputError, Overloaded, ServiceError
from statuspush.store.base import StoreBroken, StoreUnavailable
from statuspush.web.problems import KINDS


class Failing:
    """A store whose every verb raises."""

    def __init__(self, error):
        self._error = error

    def __getattr__(self, name):
        async def fail(*args, **kwargs):
            raise self._error

        return fail


class Refusing:
    """Accepts nothing."""

    def __init__(self, error):
        self._error = error

    def begin(self, body, kind, *, ndjson, done):
        done(self._error)


@pytest.fixture
def failing(deps, client_of):
    """A client of an application whose store raises ``error``."""
    return lambda error: client_of(
        dataclasses.replace(deps, store=Failing(error), accept=Refusing(error))
    )


@pytest.fixture(autouse=True)
def logged():
    """What is logged, instead of pages of it in the output."""
    with structlog.testing.capture_logs() as entries:
        yield entries


def is_problem(answer, status, name):
    problem = answer.json()
    return (
        answer.status_code == status
        and answer.headers["content-type"] == "application/problem+json"
        and problem["type"] == f"/problems/{name}"
        and problem["status"] == status
        and problem["title"]
        and problem["detail"]
    )


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/v1/nothing", "/v1/accounts/", "/docs/../x", "/docs/oauth2.html"]
)
async def test_an_unknown_path_is_a_problem(client, path):
    assert is_problem(await client.get(path), 404, "not-found")


async def test_a_method_that_a_path_does_not_take_is_a_problem(client):
    assert is_problem(await client.post("/healthz"), 405, "method-not-allowed")


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v1/reports", "GET, HEAD, OPTIONS, POST"),
        ("/v1/accounts/acme", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/v1/accounts/acme/push", "OPTIONS, PATCH"),
        ("/v1/pushes/psh_1/redrive", "OPTIONS, POST"),
        ("/docs", "GET, HEAD, OPTIONS"),
    ],
)
async def test_allow_names_every_method_of_the_path(client, path, allow):
    answer = await client.request("TRACE", path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


async def test_options_answers_with_the_methods(client):
    answer = await client.options("/v1/accounts/acme")
    assert (answer.status_code, answer.headers["allow"]) == (
        204,
        "DELETE, GET, HEAD, OPTIONS, PUT",
    )


async def test_options_of_an_unknown_path_is_a_problem(client):
    assert is_problem(await client.options("/v1/nothing"), 404, "not-found")


async def test_head_answers_like_get_without_a_body(client):
    got, headed = await client.get("/v1/accounts"), await client.head("/v1/accounts")
    assert headed.status_code == 200
    assert headed.headers == got.headers
    assert headed.content == b""


async def test_problems_are_in_chinese_for_those_who_want_it(client):
    answer = await client.get("/nothing", headers={"Accept-Language": "zh-CN"})
    assert answer.json()["title"] == "不存在"
    assert answer.headers["content-language"] == "zh"


async def test_caches_know_that_problems_depend_on_the_language(client):
    assert (await client.get("/nothing")).headers["vary"] == "Accept-Language"


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/accounts"), ("POST", "/v1/reports")])
async def test_an_unexpected_error_shows_no_internals(failing, method, path):
    async with failing(RuntimeError("secret detail")) as client:
        answer = await client.request(method, path, content=b"[]" if method == "POST" else None)
    assert is_problem(answer, 500, "internal")
    assert "secret detail" not in answer.text


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/accounts"), ("POST", "/v1/reports")])
async def test_the_incident_of_an_unexpected_error_is_in_the_log(failing, logged, method, path):
    async with failing(RuntimeError("secret detail")) as client:
        answer = await client.request(method, path, content=b"[]" if method == "POST" else None)
    (entry,) = logged
    assert entry["incident"] == answer.json()["incident"]
    assert "secret detail" in repr(entry["exc_info"])


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/accounts"), ("POST", "/v1/reports")])
@pytest.mark.parametrize("error", [StoreUnavailable("disk full"), StoreBroken("fsync failed")])
async def test_a_store_in_trouble_is_unavailable_and_says_when_to_return(
    failing, error, method, path
):
    async with failing(error) as client:
        answer = await client.request(method, path, content=b"[]" if method == "POST" else None)
    assert is_problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_the_words_of_the_engine_stay_inside(failing):
    async with failing(StoreUnavailable("/var/lib/x.db: disk full")) as client:
        assert "/var/lib" not in (await client.get("/v1/accounts")).text


async def test_another_fault_of_ours_is_unavailable(failing):
    async with failing(ServiceError("not now")) as client:
        assert is_problem(await client.get("/v1/accounts"), 503, "unavailable")


async def test_another_fault_of_theirs_is_a_validation_problem(failing):
    async with failing(InputError("no good")) as client:
        assert is_problem(await client.get("/v1/accounts"), 422, "validation")


async def test_overload_says_when_to_return(failing):
    async with failing(Overloaded(retry_after=3)) as client:
        answer = await client.post("/v1/reports", json=[])
    assert is_problem(answer, 429, "overloaded")
    assert answer.headers["retry-after"] == "3"


@pytest.mark.parametrize("name", KINDS)
async def test_the_type_of_every_problem_leads_to_its_explanation(stranger, name):
    answer = await stranger.get(KINDS[name].uri)
    assert answer.text.startswith(str(KINDS[name].status.value))
    assert KINDS[name].meaning.en in answer.text


async def test_an_unknown_kind_of_problem_has_no_explanation(stranger):
    assert (await stranger.get("/problems/none")).status_code == 404


async def test_explanations_are_in_chinese_too(stranger):
    answer = await stranger.get("/problems/conflict", headers={"Accept-Language": "zh"})
    assert KINDS["conflict"].meaning.zh in answer.text


@pytest.mark.parametrize("path", ["/v1/accounts", "/healthz", "/nothing", "/docs", "/metrics"])
async def test_browsers_may_not_guess_types(client, path):
    assert (await client.get(path)).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/accounts"), ("POST", "/v1/reports")])
async def test_nothing_of_v1_is_cached(client, method, path):
    answer = await client.request(method, path, content=b"[]" if method == "POST" else None)
    assert answer.headers["cache-control"] == "no-store"
