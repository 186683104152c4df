"""``python -m benchmarks``: measure, and print what was measured on which machine."""

import json
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import alternatives, commands, end_to_end, latency, tables
from benchmarks.report import command as report
from statuspush.bench import machine

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Directory = Annotated[
    Path | None, typer.Option(help="Where databases are written; a temporary one if unset.")
]
_WIDTH = 120


@app.callback()
def _root() -> None:
    """Benchmarks of statuspush; figures are medians, and every report is reconciled."""


@app.command("end-to-end")
def end_to_end_command(
    work: Annotated[
        list[str] | None,
        typer.Option(
            help=f"What is submitted: {', '.join(end_to_end.WORKS)}. All but zipf by default."
        ),
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each work and size.")] = 5,
    stored: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Reports in the file before; repeatable. 0 by default."),
    ] = None,
    scale: Annotated[float, typer.Option(min=0.001, help="Share of the usual size.")] = 1.0,
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """Submit, push, acknowledge, record: the real service, a load generator, a cheap customer.

    With several sizes of the file, runs alternate between them; each file is made once.
    """
    names = work or list(end_to_end.USUAL)
    if unknown := [name for name in names if name not in end_to_end.WORKS]:
        raise typer.BadParameter(f"no work {', '.join(unknown)}", param_hint="--work")
    folder = directory or Path(tempfile.gettempdir())
    described = machine.describe(folder)
    works = [end_to_end.scaled(name, scale) for name in names]
    sizes = list(dict.fromkeys(stored or [0]))
    results = list(end_to_end.measure(works, stored=sizes, runs=runs, directory=folder))
    if as_json:
        measured = [run.as_json() for run in results]
        typer.echo(json.dumps({"machine": described, "scale": scale, "runs": measured}))
    else:
        console = Console(width=_WIDTH)
        console.print(tables.machine_line(described))
        tables.end_to_end(console, results)
    _conclude(good=all(run.figures.good for run in results))


@app.command("latency")
def latency_command(
    rate: Annotated[
        list[int] | None, typer.Option(min=1, help="Reports a second; 200 and 1000 by default.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each rate, rates in turn.")] = 5,
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """From submission to acceptance and arrival, single reports at random times."""
    folder = directory or Path(tempfile.gettempdir())
    described = machine.describe(folder)
    rates = rate or [200, 1000]
    results = [latency.run(each, directory=folder) for _ in range(runs) for each in rates]
    if as_json:
        measured = [asdict(result) for result in results]
        typer.echo(json.dumps({"machine": described, "runs": measured}))
    else:
        console = Console(width=_WIDTH)
        console.print(tables.machine_line(described))
        console.print(tables.latency(results))
    _conclude(good=not any(result.lost or result.misdirected for result in results))


@app.command("alternatives")
def alternatives_command(
    name: Annotated[
        list[str] | None, typer.Argument(help=f"Which: {', '.join(alternatives.ALL)}; all if none.")
    ] = None,
    rows: Annotated[int, typer.Option(min=10_000, help="Reports in the table before.")] = 1_000_000,
    runs: Annotated[int, typer.Option(min=1, help="Runs, alternatives in turn.")] = 3,
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """What we chose beside what we did not: store layouts, where statements run, encodings."""
    folder = directory or Path(tempfile.gettempdir())
    described = machine.describe(folder)
    found = {}
    for which in name or list(alternatives.ALL):
        measured: dict[str, list[float]] = {}
        for _ in range(runs):
            for label, value in alternatives.ALL[which](folder, rows):
                measured.setdefault(label, []).append(value)
        found[which] = {label: statistics.median(values) for label, values in measured.items()}
    if as_json:
        typer.echo(json.dumps({"machine": described, "rows": rows, "medians": found}))
        return
    console = Console(width=_WIDTH)
    console.print(tables.machine_line(described))
    for which, medians in found.items():
        table = Table(which, "median", "ratio to the first")
        first = next(iter(medians.values()))
        for label, value in medians.items():
            table.add_row(label, f"{value:,.2f}", f"{value / first:.2f}")
        console.print(table)


def _conclude(*, good: bool) -> None:
    if not good:
        typer.echo("LOST or misdirected reports, or a service that did not stop", err=True)
        raise typer.Exit(1)


commands.register(app)
report.register(app)

if __name__ == "__main__":
    app()
