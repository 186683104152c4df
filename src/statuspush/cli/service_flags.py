"""The flags with which a command finds a running service."""

from typing import Annotated

import typer

UrlFlag = Annotated[
    str,
    typer.Option(
        "--service",
        metavar="URL",
        envvar="STATUSPUSH_URL",
        help="Where the service runs.",
        rich_help_panel="Service",
    ),
]
TokenFlag = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="TOKEN",
        envvar=["STATUSPUSH_TOKEN", "STATUSPUSH_OPERATOR_TOKEN"],
        help="Its operator token. Prefer the variable: flags are seen by all users of the machine.",
        rich_help_panel="Service",
        show_default=False,
    ),
]
