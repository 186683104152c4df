"""``statuspush bench``: how fast this machine is, and what limits it."""

import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer

from statuspush.cli.terminal import (
    JsonFlag,
    LangFlag,
    console,
    examples,
    language_of,
    print_json,
    stderr_is_terminal,
)
from statuspush.extras import require_server

EXAMPLES: Final = examples(
    "statuspush bench                                   [dim]about a minute[/dim]",
    "statuspush bench --directory /var/lib/statuspush   [dim]the disk that will be used[/dim]",
    "statuspush bench --seconds 3 --json",
    "statuspush bench --lang zh",
)


def bench(
    *,
    directory: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Measure on the disk of this directory. [default: that of temporary files]",
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            min=1, max=600, metavar="N", help="How long each of the three workloads runs."
        ),
    ] = 12,
    lang: LangFlag = None,
    json: JsonFlag = False,
) -> None:
    """Measure how many reports per second this machine sustains, and what limits it.

    Starts the real service with a separate database, a load generator and a customer that
    acknowledges everything; nothing leaves this machine, and everything is removed afterwards.
    Three workloads are submitted as fast as they are accepted: 1,000 small customers, 10 large
    ones, and one report per request. Every report is then looked for at its customer.

    Run it while nothing else runs. Exit status 1 if a report was lost or reached a wrong customer.
    """
    require_server("statuspush bench")
    from statuspush.bench.survey import survey, workloads  # noqa: PLC0415
    from statuspush.cli.bench_view import progress, show  # noqa: PLC0415

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _unwind)
    language = language_of(lang)
    folder = directory or Path(tempfile.gettempdir())
    live = stderr_is_terminal() and not json
    with progress(workloads(seconds), language, live=live) as begin:
        found = survey(folder, seconds, begin)
    if json:
        print_json(found.as_json())
    else:
        show(found, console(), language)
    raise typer.Exit(0 if found.good else 1)


def _unwind(number: int, _frame: FrameType | None) -> None:
    """End like Ctrl-C, so that nothing is left behind."""
    sys.exit(128 + number)
