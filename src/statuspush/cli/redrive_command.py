"""``statuspush redrive``: send pushes again, because a person asks for it."""

from typing import Annotated, Final
from urllib.parse import quote

import typer

from statuspush.api_client import DEFAULT_URL, ApiClient, account_path
from statuspush.cli.service_flags import TokenFlag, UrlFlag
from statuspush.cli.terminal import JsonFlag, examples, print_json
from statuspush.core.errors import InputError

EXAMPLES: Final = examples(
    "statuspush redrive --account acme                  [dim]all that are exhausted[/dim]",
    "statuspush redrive --account acme --state cancelled --since 2024-05-17T00:00:00Z",
    "statuspush redrive PUSH_ID",
)


def redrive(
    push: Annotated[
        str | None, typer.Argument(metavar="[PUSH_ID]", help="One push.", show_default=False)
    ] = None,
    *,
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="All pushes of an account.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Created at this time or later (ISO 8601).")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Created before this time.")
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATE", help="exhausted (the default), cancelled or delivered; repeatable."
        ),
    ] = None,
    json: JsonFlag = False,
    url: UrlFlag = DEFAULT_URL,
    token: TokenFlag = None,
) -> None:
    """Send pushes again, as new pushes over the same reports.

    They are due immediately, with four sends each. A push that is under way is refused,
    so repeating the call while one is under way sends nothing twice.
    """
    if (push is None) == (account is None):
        raise InputError("give a push id, or --account")
    if push is not None and (since or until or state):
        raise InputError("--since, --until and --state select among the pushes of an --account")
    with ApiClient(url, token) as service:
        if push is not None:
            answer = service.call("POST", f"/v1/pushes/{quote(push, safe='')}/redrive")
        else:
            assert account is not None
            chosen = {"since": since, "until": until, "state": state}
            body = {key: value for key, value in chosen.items() if value}
            answer = service.call("POST", account_path(account, "/redrive"), json=body)
    if json:
        print_json(answer)
        return
    typer.echo(f"{answer['pushes']:,} new pushes over {answer['reports']:,} reports")
