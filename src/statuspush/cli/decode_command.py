"""``statuspush decode``: a push body, however often encoded, to JSON."""

import json as json_module
from typing import Annotated, Final

import typer

from statuspush.cli.files import opened
from statuspush.cli.terminal import examples

EXAMPLES: Final = examples(
    "statuspush decode body.txt",
    "pbpaste | statuspush decode --pretty",
    "tcpdump-to-body | statuspush decode | jq .sid",
)


def decode(
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="The body; - is stdin.", show_default=False)
    ] = "-",
    pretty: Annotated[
        bool,
        typer.Option("--pretty/--json", help="Indented, or one report per line (the default)."),
    ] = False,
) -> None:
    """Print the reports in a push body as JSON lines.

    Takes what a receiver gets: voice_status=… encoded once, twice or more, in any of the wire
    forms, or the bare JSON. Keys that the contract doesn't know are kept. Exit status 2 if the
    body is not a push; the message says why.
    """
    # The receiver's own decoder, so that this command and a receiver never differ.
    from statuspush.core.decode import decode as decode_body  # noqa: PLC0415
    from statuspush.core.kinds import VOICE_STATUS  # noqa: PLC0415

    with opened(file) as stream:
        body = stream.read()
    for report in decode_body(body, VOICE_STATUS):
        typer.echo(json_module.dumps(report, ensure_ascii=False, indent=2 if pretty else None))
