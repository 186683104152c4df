"""``account`` and ``redrive``: what they ask of the service, and how they tell its answers."""

import json

import pytest

TOKEN = "operator-token-of-the-tests"
ACCOUNT = {
    "account": "acme",
    "name": "Acme Ltd. [red]",
    "push": {"mode": "on", "url": "http://acme.example/", "headers": {"X-Team": "***"}},
    "counts": {
        "pushes": {"waiting": 1, "delivered": 20},
        "reports": {"waiting": 3, "delivered": 12345, "exhausted": 0},
    },
    "waiting_reports": 3,
    "oldest_waiting_age_seconds": 7200.0,
    "health": {"state": "failing", "consecutive_failures": 2, "hint": "it hangs"},
}


@pytest.fixture
def service(cli, serve):
    """Call a command against a fake that gives one answer; returns result and requests."""

    def call(*arguments, answer=(200, {}, ACCOUNT)):
        server = serve(answer if callable(answer) else lambda _: answer)
        result = cli(*arguments, STATUSPUSH_URL=server.url + "/", STATUSPUSH_TOKEN=TOKEN)
        return result, server.calls

    return call


def problem(status, **members):
    return status, {"content-type": "application/problem+json"}, members


def test_create_shows_the_apikey_once(service):
    """A new account takes its own name where none is given."""

    def answer(call):
        if call.method == "GET":
            return problem(404, detail="there is no account 'acme'")
        return 201, {}, ACCOUNT | {"apikey": "key-1"}

    result, calls = service("account", "create", "acme", answer=answer)
    assert result.exit_code == 0
    assert "apikey (shown only once): key-1" in result.stdout
    assert [(call.method, call.path) for call in calls][-1] == ("PUT", "/v1/accounts/acme")
    assert calls[-1].json == {"name": "acme"}
    assert calls[-1].headers["authorization"] == f"Bearer {TOKEN}"


def test_create_renames_only_when_it_is_told_to(service):
    """An account that is there keeps its name otherwise."""
    result, calls = service("account", "create", "acme")
    assert [call.method for call in calls] == ["GET"]
    assert "already exists; its name is 'Acme Ltd. [red]'" in result.stdout
    _, calls = service("account", "create", "acme", "--name", "New")
    assert [(call.method, call.json) for call in calls] == [("PUT", {"name": "New"})]


def test_names_are_no_paths(service):
    """What the person types reaches the service as one segment."""
    _, calls = service("account", "show", "../pushes?x")
    assert calls[0].path == "/v1/accounts/..%2Fpushes%3Fx"


def test_list_and_show_are_tables(service):
    """With numbers and times as people read them; names are never markup."""
    result, _ = service("account", "list", answer=(200, {}, {"items": [ACCOUNT]}))
    row = result.stdout.splitlines()[-2]
    assert row.split() == ["acme", "on", "3", "2.0", "h", "12,345", "0", "it", "hangs"]
    result, _ = service("account", "show", "acme")
    assert "Acme Ltd. [red]" in result.stdout
    assert "X-Team: ***" in result.stdout
    result, _ = service("account", "list", answer=(200, {}, {"items": []}))
    assert "there is no account yet" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["show", "acme"], ["create", "acme", "--name", "x"], ["test", "acme"]]
)
def test_json_is_the_answer_of_the_service(service, arguments):
    """Untouched, for programs."""
    answer = ACCOUNT | {"acknowledged": True, "items": []}
    result, _ = service("account", *arguments, "--json", answer=(200, {}, answer))
    assert json.loads(result.stdout) == answer


def test_a_list_as_json_holds_all_pages(service):
    """One document, however many requests it took."""
    answer = {"items": [ACCOUNT], "next": None}
    result, _ = service("account", "list", "--json", answer=(200, {}, answer))
    assert json.loads(result.stdout) == {"items": [ACCOUNT]}


def test_push_changes_only_what_is_given(service):
    """Names as in the API; none removes."""
    arguments = ["--url", "http://a.example/x", "--mode", "on", "--wire", "plain"]
    arguments += ["--max-reports", "100", "--max-bytes", "none", "--max-in-flight", "2"]
    arguments += ["--connect-seconds", "1", "--timeout-seconds", "2.5", "--secret", "none"]
    headers = ["--header", "X-A: 1", "--header", "X-B:2:3"]
    _, calls = service("account", "push", "acme", *arguments, *headers)
    assert (calls[0].method, calls[0].path) == ("PATCH", "/v1/accounts/acme/push")
    assert calls[0].json == {
        "url": "http://a.example/x",
        "mode": "on",
        "wire": "plain",
        "max_reports": 100,
        "max_bytes": None,
        "max_in_flight": 2,
        "connect_seconds": 1.0,
        "timeout_seconds": 2.5,
        "secret": None,
        "headers": {"X-A": "1", "X-B": "2:3"},
    }
    _, calls = service("account", "push", "acme", "--header", "none", "--max-bytes", "9000")
    assert calls[0].json == {"headers": {}, "max_bytes": 9000}


def test_push_makes_a_secret_that_the_service_takes(service):
    """And shows it once, for the customer."""
    from statuspush.core.signature import validate_secret

    result, calls = service("account", "push", "acme", "--secret", "new")
    secret = calls[0].json["secret"]
    validate_secret(secret)
    assert f"shown only once): {secret}" in result.stdout
    result, calls = service("account", "push", "acme", "--secret", "new", "--json")
    assert json.loads(result.stdout)["secret"] == calls[0].json["secret"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to change"),
        (
            ["--max-bytes", "x"],
            "from 1,000 to 100,000,000, or null, got",
        ),
        (["--mode", "ON"], "mode must be one of off, on, paused"),
        (["--url", ""], "the URL must start with http"),
        (["--url", "acme.example"], "the URL must start with http"),
        (["--secret", "x"], "must begin with whsec_"),
        (["--header", "Host: x"], "set by the platform"),
        (["--header", "X-A: 1", "--header", "x-a: 2"], "given twice"),
        (["--header", "x"], "Name:"),
    ],
)
def test_push_refuses_what_means_nothing(service, arguments, words):
    """Before anything is asked of the service."""
    result, calls = service("account", "push", "acme", *arguments)
    assert (result.exit_code, calls) == (2, [])
    assert words in result.stderr


def test_delete(service):
    """ApiRefused by the service while reports wait."""
    result, calls = service("account", "delete", "acme", answer=(204, {}, b""))
    assert (result.stdout, calls[0].path) == ("deleted account acme\n", "/v1/accounts/acme")
    _, calls = service("account", "delete", "acme", "--force", answer=(204, {}, b""))
    assert calls[0].path == "/v1/accounts/acme?force=true"
    result, _ = service("account", "delete", "acme", answer=problem(409, detail="3 reports wait"))
    assert (result.exit_code, result.stderr) == (2, "statuspush: 3 reports wait\n")


@pytest.mark.parametrize("acknowledged", [True, False])
def test_the_exit_status_tells_the_verdict(service, acknowledged):
    """So a script can ask whether an endpoint works."""
    verdict = {"acknowledged": acknowledged, "outcome": "…", "hint": "it says why"}
    result, calls = service("account", "test", "acme", answer=(200, {}, verdict))
    assert (calls[0].method, calls[0].path) == ("POST", "/v1/accounts/acme/push/test")
    assert result.exit_code == (0 if acknowledged else 1)
    assert "it says why" in result.stdout


def test_redrive_a_push_or_an_account(service):
    """The body holds only what was chosen."""
    answer = (202, {}, {"pushes": 2, "reports": 1500, "ids": []})
    result, calls = service("redrive", "psh_1", answer=answer)
    assert (calls[0].path, calls[0].body) == ("/v1/pushes/psh_1/redrive", b"")
    assert result.stdout == "2 new pushes over 1,500 reports\n"
    _, calls = service("redrive", "--account", "acme", answer=answer)
    assert (calls[0].path, calls[0].json) == ("/v1/accounts/acme/redrive", {})
    chosen = ["--since", "2024-05-17T00:00:00Z", "--state", "cancelled", "--state", "exhausted"]
    _, calls = service("redrive", "--account", "acme", *chosen, answer=answer)
    assert calls[0].json == {"since": "2024-05-17T00:00:00Z", "state": ["cancelled", "exhausted"]}


@pytest.mark.parametrize(
    "arguments", [[], ["psh_1", "--account", "acme"], ["psh_1", "--state", "exhausted"]]
)
def test_redrive_wants_one_or_the_other(service, arguments):
    """A push, or pushes of an account."""
    result, calls = service("redrive", *arguments)
    assert (result.exit_code, calls) == (2, [])


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (problem(404, detail="there is no account 'acme'"), 2, "there is no account 'acme'"),
        (problem(401, detail="wrong token"), 2, "wrong token: check --token"),
        (problem(422, errors=[{"field": "url", "message": "bad"}]), 2, "url: bad"),
        (problem(503, detail="full disk"), 1, "full disk (HTTP 503)"),
        (problem(429, title="too much"), 1, "too much (HTTP 429)"),
        ((404, {"content-type": "text/html"}, b"<html>"), 2, "not the answer of a statuspush"),
        (None, 1, "no service answers at http://127.0.0.1"),
    ],
)
def test_errors_are_one_line(service, answer, status, words):
    """2 when the call is wrong, 1 when it may succeed later."""
    result, _ = service("account", "show", "acme", answer=answer)
    assert (result.exit_code, len(result.stderr.splitlines())) == (status, 1)
    assert words in result.stderr


def test_several_mistakes_are_a_list(service):
    """One line each."""
    errors = [{"field": "url", "message": "bad"}, {"field": "mode", "message": "odd"}]
    result, _ = service("account", "show", "acme", answer=problem(422, errors=errors))
    assert result.stderr == "statuspush: url: bad\n  mode: odd\n"
