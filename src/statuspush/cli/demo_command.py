"""``statuspush demo``: the main job, live in a terminal, in one command."""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final

import typer

from statuspush.cli.terminal import JsonFlag, console, examples, note, print_json
from statuspush.core.errors import InputError
from statuspush.extras import require_server

if TYPE_CHECKING:
    from statuspush.demo.play import Ending

EXAMPLES: Final = examples(
    "statuspush demo                            [dim]until Ctrl-C[/dim]",
    "statuspush demo --seconds 60 --rate 2000",
    "statuspush demo --keep /tmp/demo           [dim]keep database and log[/dim]",
    "statuspush demo --seconds 8 --plain        [dim]for CI: exit status 1 if one is lost[/dim]",
)


def demo(
    *,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, metavar="N", help="How long to run. [default: until Ctrl-C]"),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=1, max=100_000, metavar="N", help="Reports per second.")
    ] = 200,
    retry_interval: Annotated[
        float,
        typer.Option(
            min=0.1, max=300, metavar="SECONDS", help="Instead of the contract's five minutes."
        ),
    ] = 5,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="PORT", help="Port of the service; 0: a free one."),
    ] = 0,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the database and the service's log there."),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="One line per second instead of a live table.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Watch the main job: reports in, pushes out, nothing lost.

    Starts the real service with a separate database, six customers (a big one, a good one, one
    that is slow, dead for a while, answers wrongly, or is flaky) and a stream of voice reports.
    At the end every single report is accounted for from outside: acknowledged by its customer,
    or still under way in the service. Exit status 1 if one is lost.
    """
    require_server("statuspush demo")
    if keep is None:
        with TemporaryDirectory(prefix="statuspush-demo-") as directory:
            ending = _play(
                Path(directory), seconds, rate, retry_interval, port, plain=plain, json=json
            )
    else:
        if (keep / "statuspush.db").exists():
            raise InputError(f"{keep} already holds a database; the demo needs an empty directory")
        keep.mkdir(parents=True, exist_ok=True)
        ending = _play(keep.resolve(), seconds, rate, retry_interval, port, plain=plain, json=json)
    _conclude(ending, json=json)
    raise typer.Exit(0 if ending.good else 1)


def _play(
    directory: Path,
    seconds: float | None,
    rate: float,
    retry_interval: float,
    port: int,
    *,
    plain: bool,
    json: bool,
) -> "Ending":
    from statuspush.cli.demo_view import Lines, LiveTable  # noqa: PLC0415
    from statuspush.demo.play import Options, play  # noqa: PLC0415

    options = Options(seconds, rate, retry_interval, port, directory)
    if json:
        return asyncio.run(play(options))
    if plain or not sys.stdout.isatty():
        return asyncio.run(play(options, Lines()))
    with LiveTable(retry_interval) as table:
        return asyncio.run(play(options, table))


def _conclude(ending: "Ending", *, json: bool) -> None:
    from statuspush.cli.demo_view import summary  # noqa: PLC0415

    if json:
        print_json(
            {
                "good": ending.good,
                "service_exit_status": ending.service_status,
                "customers": {
                    name: {
                        "accepted": account.accepted,
                        **account.states,
                        "lost": account.lost_count,
                        "repeats": account.repeats,
                        "strangers": account.strangers,
                    }
                    for name, account in ending.accounts.items()
                },
            }
        )
    else:
        console().print(summary(ending.accounts, ending.journal))
    if ending.service_status != 0:
        how = ending.service_status
        note(f"the service did not stop as it should (exit status {how}); --keep DIR keeps its log")
