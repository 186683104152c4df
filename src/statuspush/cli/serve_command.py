"""``statuspush serve``: run the service in the foreground."""

from typing import Final

import typer

from statuspush.cli.setting_flags import ALL, takes_settings
from statuspush.cli.terminal import examples
from statuspush.config import Loaded
from statuspush.extras import require_server

EXAMPLES: Final = examples(
    "statuspush serve",
    "statuspush serve --host 0.0.0.0 --database sqlite:////var/lib/statuspush/statuspush.db",
    "STATUSPUSH_OPERATOR_TOKEN=… statuspush serve --log-format json",
    "statuspush serve --allow-targets 10.1.0.0/16    [dim]customers in a private network[/dim]",
)


@takes_settings(*ALL)
def serve(loaded: Loaded) -> None:
    """Run the service until it is told to stop.

    Every flag is also a variable (--port: STATUSPUSH_PORT) and a key of statuspush.toml (port).
    A flag wins over a variable, a variable over the file. See the result: statuspush config

    SIGTERM and Ctrl-C drain: nothing more is accepted, sends in progress are finished and recorded.
    kill -9 and power cuts lose nothing either. Open http://127.0.0.1:8080/docs for the API.
    """
    require_server("statuspush serve")
    from statuspush.serve import run  # noqa: PLC0415 - the server is heavy

    raise typer.Exit(run(loaded))
