"""``statuspush check``: is this endpoint right, whatever it is written in."""

import asyncio
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from statuspush.cli.terminal import JsonFlag, examples, language_of, print_json
from statuspush.core.customer_headers import parse_header
from statuspush.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from statuspush.cli.checking.findings import Finding
    from statuspush.core.words import Words

EXAMPLES: Final = examples(
    "statuspush check http://127.0.0.1:5000/voice_status",
    "statuspush check https://acme.example/status --secret whsec_… --lang zh",
    "statuspush check http://127.0.0.1:5000/ --echo-file reports.jsonl   [dim]each field too[/dim]",
)

_ANYWHERE: Final = (ip_network("0.0.0.0/0"), ip_network("::/0"))


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
            metavar="URL", help="Where a GET gives what was understood, a JSON object a line."
        ),
    ] = None,
    echo_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file with what was understood, likewise."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Without full pushes and the slow one.")
    ] = False,
    allow_private: Annotated[
        bool,
        typer.Option("--allow-private/--no-allow-private", help="Private and local addresses too."),
    ] = True,
    lang: Annotated[
        str | None,
        typer.Option(metavar="en|zh", help="Language of the advice. [default: the locale's]"),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Try an endpoint with everything that platforms send, and say what to fix and how.

    Sends some thirty real pushes, marked as tests (their sids begin with "check"), in each
    encoding, with difficult values, with 1 and 500 reports, again, at once and slowly; and what is
    no push, which must not be acknowledged. With an echo, each field is compared with what the
    endpoint understood. Exit status 0 if all is right, 1 if there is something to fix.
    """
    from statuspush.cli.checking import show  # noqa: PLC0415
    from statuspush.cli.checking.course import Course  # noqa: PLC0415
    from statuspush.cli.checking.echo import Echo  # noqa: PLC0415
    from statuspush.cli.checking.probe import Probe  # noqa: PLC0415
    from statuspush.core.signature import validate_secret  # noqa: PLC0415
    from statuspush.transport import (  # noqa: PLC0415
        AddressGuard,
        Transport,
        validate_header,
        validate_url,
    )

    validate_url(target)
    if echo_url and echo_file:
        raise InputError("give --echo-url or --echo-file, not both")
    if secret is not None:
        validate_secret(secret)
    headers = [parse_header(line) for line in header or ()]
    for name, value in headers:
        validate_header(name, value)
    echo = Echo(echo_file, echo_url) if echo_file or echo_url else None

    async def run(told: "Callable[[Words], None]") -> "list[Finding]":
        # A person at the keyboard calls their own endpoint; the guard is against customers' URLs.
        guard = AddressGuard(_ANYWHERE if allow_private else ())
        transport = Transport(guard=guard)
        try:
            probe = Probe(target, transport, guard, secret, headers, timeout)
            return await Course(probe, quick=quick, echo=echo, told=told).run()
        finally:
            await transport.close()

    language = language_of(lang)
    with show.watched(language=language) as told:
        found = asyncio.run(run(told))
    if json:
        print_json(show.document(target, found))
    else:
        show.print_found(found, language=language)
    raise typer.Exit(0 if show.right(found) else 1)
