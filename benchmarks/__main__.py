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

from benchmarks import alternatives, end_to_end, latency, machine

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


@app.callback()
def _root() -> None:
    """Benchmarks of statuspush; every figure is a median, and every report is reconciled."""


@app.command("end-to-end")
def end_to_end_command(
    work: Annotated[
        list[str] | None,
        typer.Option(help=f"What is submitted: {', '.join(end_to_end.WORKS)}. All by default."),
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each work.")] = 3,
    stored: Annotated[int, typer.Option(min=0, help="Reports in the file before.")] = 0,
    scale: Annotated[float, typer.Option(min=0.001, help="Share of the usual size.")] = 1.0,
    directory: Annotated[
        Path | None, typer.Option(help="Where the database is written; a temporary one if unset.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Submit, push, acknowledge, record: the real service, a load generator, a cheap customer."""
    folder = directory or Path(tempfile.gettempdir())
    results: list[end_to_end.Result] = []
    for name in work or list(end_to_end.WORKS):
        chosen = end_to_end.WORKS[name]
        size = max(chosen.per_request, int(chosen.reports * scale))
        chosen = end_to_end.Work(
            chosen.name, chosen.accounts, size, chosen.per_request, chosen.connections
        )
        results.extend(end_to_end.run(chosen, stored=stored, directory=folder) for _ in range(runs))
    described = machine.describe(folder)
    measured = [end_to_end.as_json(result) for result in results]
    if as_json:
        typer.echo(json.dumps({"machine": described, "runs": measured}))
    else:
        _table(described, measured)
    if any(result.lost or result.misdirected for result in results):
        typer.echo("LOST reports", err=True)
        raise typer.Exit(1)


@app.command("latency")
def latency_command(
    rate: Annotated[
        list[int] | None, typer.Option(min=1, help="Reports a second; 200 and 1000 by default.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each rate.")] = 3,
    directory: Annotated[
        Path | None, typer.Option(help="Where the database is written; a temporary one if unset.")
    ] = None,
    as_json: Json = False,
) -> None:
    """From submission to arrival at the customer, single reports at random times."""
    folder = directory or Path(tempfile.gettempdir())
    results = [latency.run(r, directory=folder) for r in rate or [200, 1000] for _ in range(runs)]
    described = machine.describe(folder)
    if as_json:
        measured = [asdict(result) for result in results]
        typer.echo(json.dumps({"machine": described, "runs": measured}))
        return
    console = Console(width=120)
    console.print(", ".join(f"{key} {value}" for key, value in described.items()))
    table = Table("reports a second", "p50 ms", "p95 ms", "p99 ms", "lost", title="medians")
    for wanted in rate or [200, 1000]:
        chosen = [result for result in results if result.rate == wanted]
        table.add_row(
            str(wanted),
            *(
                f"{statistics.median(getattr(result, name) for result in chosen):g}"
                for name in ("p50", "p95", "p99", "lost")
            ),
        )
    console.print(table)


@app.command("alternatives")
def alternatives_command(
    name: Annotated[
        list[str] | None, typer.Argument(help=f"Which: {', '.join(alternatives.ALL)}; all if none.")
    ] = None,
    rows: Annotated[int, typer.Option(min=10_000, help="Reports in the table before.")] = 1_000_000,
    runs: Annotated[int, typer.Option(min=1, help="Runs, alternatives in turn.")] = 3,
    directory: Annotated[
        Path | None, typer.Option(help="Where databases are written; a temporary one if unset.")
    ] = None,
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
    console = Console(width=120)
    console.print(", ".join(f"{key} {value}" for key, value in described.items()))
    for which, medians in found.items():
        table = Table(which, "median", "ratio to the first")
        first = next(iter(medians.values()))
        for label, value in medians.items():
            table.add_row(label, f"{value:,.2f}", f"{value / first:.2f}")
        console.print(table)


def _table(described: dict[str, object], measured: list[dict[str, object]]) -> None:
    console = Console(width=120)
    console.print(", ".join(f"{key} {value}" for key, value in described.items()))
    works = list(dict.fromkeys(str(run["work"]) for run in measured))
    table = Table("median of the runs", *works)
    for key in measured[0]:
        if key == "work":
            continue
        table.add_row(
            key,
            *(
                f"{statistics.median(float(str(r[key])) for r in measured if r['work'] == name):g}"
                for name in works
            ),
        )
    console.print(table)


if __name__ == "__main__":
    app()
