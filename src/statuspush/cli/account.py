"""``statuspush account …``: accounts of a running service and their push settings."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from statuspush.api_client import DEFAULT_URL, ApiClient, ApiRefused, account_path
from statuspush.cli.push_flags import changes_of, takes_push_settings
from statuspush.cli.service_flags import TokenFlag, UrlFlag
from statuspush.cli.terminal import (
    JsonFlag,
    add_command,
    age,
    examples,
    note,
    print_json,
    print_table,
)
from statuspush.core.errors import InputError
from statuspush.core.setting_forms import NEW

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Account name.")]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Create accounts and set up where their reports are pushed (talks to a running service).",
    epilog=examples(
        "statuspush account create acme --name 'Acme Ltd.'",
        "statuspush account push acme --url https://acme.example/status --mode on",
        "statuspush account test acme       [dim]send two sample reports, show the verdict[/dim]",
        "statuspush account list",
    ),
)


def create(
    account: Name,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Display name; by default the account's."),
    ] = None,
    json: JsonFlag = False,
    url: UrlFlag = DEFAULT_URL,
    token: TokenFlag = None,
) -> None:
    """Create an account, or rename one that exists.

    The apikey is for the account's customer, who pulls reports with it. It is shown only once.
    """
    with ApiClient(url, token) as service:
        answer = _existing(service, account) if name is None else None
        if answer is None:
            answer = service.call("PUT", account_path(account), json={"name": name or account})
    if json:
        print_json(answer)
    elif key := answer.get("apikey"):
        typer.echo(f"created account {account}\napikey (shown only once): {key}")
    else:
        typer.echo(f"account {account} already exists; its name is {answer.get('name', name)!r}")


def _existing(service: ApiClient, account: str) -> Any:
    """The account if there is one: when no name is given, it keeps the one it has."""
    try:
        return service.call("GET", account_path(account))
    except ApiRefused as refusal:
        if refusal.status == 404:
            return None
        raise


def list_accounts(
    json: JsonFlag = False, url: UrlFlag = DEFAULT_URL, token: TokenFlag = None
) -> None:
    """List all accounts with their backlog and the health of their endpoints."""
    with ApiClient(url, token) as service:
        items = list(_all(service))
    if json:
        print_json({"items": items})
        return
    if not items:
        note("there is no account yet; 'statuspush account create NAME' creates one")
        return
    columns = ("account", "push", "waiting", "oldest", "delivered", "exhausted", "endpoint")
    print_table(columns, map(_row, items))


def _all(service: ApiClient) -> Iterator[dict[str, Any]]:
    """All accounts, page by page."""
    parameters = {"limit": "1000"}
    while True:
        page = service.call("GET", "/v1/accounts", params=parameters)
        yield from page["items"]
        if page.get("next") is None:
            return
        parameters["cursor"] = page["next"]


def _row(item: dict[str, Any]) -> list[object]:
    reports = item["counts"]["reports"]
    health = item["health"]
    return [
        item["account"],
        item["push"]["mode"],
        item["waiting_reports"],
        age(item["oldest_waiting_age_seconds"]),
        reports.get("delivered", 0),
        reports.get("exhausted", 0),
        health.get("hint") if health.get("consecutive_failures") else health.get("state"),
    ]


def show(
    account: Name, json: JsonFlag = False, url: UrlFlag = DEFAULT_URL, token: TokenFlag = None
) -> None:
    """Show one account: settings, reports and pushes by state, health of the endpoint."""
    with ApiClient(url, token) as service:
        answer = service.call("GET", account_path(account))
    if json:
        print_json(answer)
        return
    counts = answer["counts"]
    rows: list[tuple[str, object]] = [("name", answer["name"])]
    rows += _settings_rows(answer["push"])
    rows += [("waiting reports", answer["waiting_reports"])]
    rows += [("oldest waiting", age(answer["oldest_waiting_age_seconds"]))]
    for what in ("reports", "pushes"):
        rows += [(f"{what} {state}", number) for state, number in counts[what].items() if number]
    rows += [(f"endpoint {key.replace('_', ' ')}", v) for key, v in answer["health"].items()]
    print_table(("account", account), rows)


def _settings_rows(push: dict[str, Any]) -> list[tuple[str, object]]:
    return [(f"push {key.replace('_', ' ')}", _setting(value)) for key, value in push.items()]


def _setting(value: object) -> object:
    if isinstance(value, dict):
        return [f"{name}: {text}" for name, text in value.items()]
    return value


@takes_push_settings
def push(
    account: Name,
    *,
    given: dict[str, list[str]],
    json: JsonFlag = False,
    url: UrlFlag = DEFAULT_URL,
    token: TokenFlag = None,
) -> None:
    """Set up where and how an account's reports are pushed; only what is given changes.

    A change applies to every later send, also of pushes that already wait. Only the reports of a
    push are fixed at its first send.
    """
    if not given:
        raise InputError("nothing to change: give at least one setting (see --help)")
    made = _new_secret() if given.get("secret") == [NEW] else None
    if made:
        given = {**given, "secret": [made]}
    changes = changes_of(given)
    with ApiClient(url, token) as service:
        answer = service.call("PATCH", account_path(account, "/push"), json=changes)
    if json:
        # The service never shows a secret; one that was generated here has to be shown once.
        print_json(answer | {"secret": made} if made else answer)
        return
    print_table(("setting", "value"), _settings_rows(answer))
    if made:
        typer.echo(f"secret for the customer (shown only once): {made}")


def _new_secret() -> str:
    from base64 import b64encode  # noqa: PLC0415
    from secrets import token_bytes  # noqa: PLC0415

    return "whsec_" + b64encode(token_bytes(32)).decode()


def delete(
    account: Name,
    force: Annotated[
        bool, typer.Option("--force", help="Even if reports wait; they are never sent.")
    ] = False,
    url: UrlFlag = DEFAULT_URL,
    token: TokenFlag = None,
) -> None:
    """Delete an account; refused while reports wait, unless --force."""
    with ApiClient(url, token) as service:
        service.call("DELETE", account_path(account), params={"force": "true"} if force else None)
    typer.echo(f"deleted account {account}")


def try_endpoint(
    account: Name, json: JsonFlag = False, url: UrlFlag = DEFAULT_URL, token: TokenFlag = None
) -> None:
    """Send two sample reports to the account's endpoint now and print the verdict.

    The service sends them outside the queue. Exit status 0 if they were acknowledged, else 1.
    """
    with ApiClient(url, token) as service:
        answer = service.call("POST", account_path(account, "/push/test"))
    acknowledged = bool(answer["acknowledged"])
    if json:
        print_json(answer)
    else:
        print_table(("verdict", ""), [(k.replace("_", " "), v) for k, v in answer.items()])
    raise typer.Exit(0 if acknowledged else 1)


add_command(app, "create", examples("statuspush account create acme --name 'Acme Ltd.'"), create)
add_command(
    app, "list", examples("statuspush account list --json | jq '.items[].account'"), list_accounts
)
add_command(app, "show", examples("statuspush account show acme"), show)
add_command(
    app,
    "push",
    examples(
        "statuspush account push acme --url https://acme.example/status --mode on",
        "statuspush account push acme --secret new     [dim]sign pushes from now on[/dim]",
        "statuspush account push acme --header 'X-Team: voice' --timeout-seconds 10",
        "statuspush account push acme --max-bytes none --header none   [dim]remove them[/dim]",
        "statuspush account push acme --mode paused    [dim]keep the backlog, send nothing[/dim]",
    ),
    push,
)
add_command(app, "delete", examples("statuspush account delete acme --force"), delete)
add_command(app, "test", examples("statuspush account test acme && echo it works"), try_endpoint)
