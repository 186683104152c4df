"""``statuspush check``: whether an endpoint is right, whatever it is written in."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from statuspush.cli.terminal import JsonFlag, LangFlag, examples, language_of, print_json
from statuspush.core.customer_headers import parse_header
from statuspush.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from statuspush.check.findings import Finding
    from statuspush.core.words import Words

EXAMPLES: Final = examples(
    "statuspush check http://127.0.0.1:5000/voice_status",
    "statuspush check https://acme.example/status --secret whsec_… --lang zh",
    "statuspush check http://127.0.0.1:5000/ --echo-file reports.jsonl   [dim]each field too[/dim]",
)


def check(
    target: Annotated[str, typer.Argument(metavar="URL", help="The endpoint.")],
    *,
    secret: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Sign the pushes: whsec_… and base64.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="'NAME: VALUE'", help="A further header; repeatable."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=300, metavar="SECONDS", help="Limit for each request.")
    ] = 15.0,
    echo_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Where a GET returns what was understood, one JSON object per line."
        ),
    ] = None,
    echo_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The same in a file."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out full pushes and the slow one.")
    ] = False,
    allow_private: Annotated[
        bool,
        typer.Option("--allow-private/--no-allow-private", help="Private and local addresses too."),
    ] = True,
    lang: LangFlag = None,
    json: JsonFlag = False,
) -> None:
    """Try an endpoint with everything that platforms may send, and say what to fix and how.

    Sends some thirty real pushes, marked as tests (their sids begin with "check"): in each
    encoding, with difficult values, with 1 and 500 reports, repeated, concurrent and slow; and
    requests that are not pushes, which must not be acknowledged. With an echo, each field is
    compared with what the endpoint understood. Exit status 0 if all is right, 1 if there is
    something to fix.
    """
    from contextlib import aclosing  # noqa: PLC0415

    from statuspush.check.checking import (  # noqa: PLC0415
        Trying,
        check_endpoint,
        document,
        passed,
    )
    from statuspush.check.echo import Echo  # noqa: PLC0415
    from statuspush.cli.check_view import print_found, progress  # noqa: PLC0415

    if echo_url and echo_file:
        raise InputError("give --echo-url or --echo-file, not both")

    async def run(trying: "Callable[[Words], None]") -> "list[Finding]":
        findings = []
        events = check_endpoint(
            target,
            secret=secret,
            headers=[parse_header(line) for line in header or ()],
            seconds=timeout,
            quick=quick,
            echo=Echo(echo_file, echo_url) if echo_file or echo_url else None,
            allow_private=allow_private,
        )
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Trying):
                    trying(event.title)
                else:
                    findings.append(event)
        return findings

    language = language_of(lang)
    with progress(language) as trying:
        findings = asyncio.run(run(trying))
    if json:
        print_json(document(target, findings))
    else:
        print_found(findings, language)
    raise typer.Exit(0 if passed(findings) else 1)
