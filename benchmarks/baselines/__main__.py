"""``python -m benchmarks.baselines``: measure what one would build instead of statuspush."""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.baselines import broker, runner, venvs
from statuspush.bench import machine

app = typer.Typer(add_completion=False)


@app.command(help=__doc__)
def measure(
    name: Annotated[
        list[str] | None,
        typer.Argument(help=f"Which: {', '.join(runner.BASELINES)}. All if none is named."),
    ] = None,
    reports: Annotated[int, typer.Option(min=1, help="Reports of each run.")] = 6000,
    accounts: Annotated[int, typer.Option(min=1, help="Customers they are spread over.")] = 1000,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each, baselines in turn.")] = 3,
    directory: Annotated[
        Path | None, typer.Option(help="Where Redis writes; a temporary directory if unset.")
    ] = None,
    environments: Annotated[
        Path,
        typer.Option(
            "--venvs",
            help="Where virtual environments are kept.",
            show_default=".cache/baselines in the checkout",
        ),
    ] = venvs.DEFAULT,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of a table.")
    ] = False,
) -> None:
    """Run the named baselines and print the medians; exit status 1 if a report was lost."""
    names = name or list(runner.BASELINES)
    if unknown := [each for each in names if each not in runner.BASELINES]:
        raise typer.BadParameter(f"no baseline {', '.join(unknown)}", param_hint="NAME")
    folder = directory or Path(tempfile.gettempdir())
    try:
        results = [
            runner.run(
                each,
                reports=reports,
                accounts=accounts,
                directory=folder,
                environments=environments,
            )
            for _ in range(runs)
            for each in names
        ]
    except broker.RedisMissing as error:
        typer.echo(error, err=True)
        raise typer.Exit(2) from error
    described = {**machine.describe(folder), "redis": broker.version()}
    measured = [runner.as_json(result) for result in results]
    if as_json:
        typer.echo(json.dumps({"machine": described, "runs": measured}))
    else:
        _print(described, measured)
    if any(result.lost or result.misdirected for result in results):
        typer.echo("LOST reports", err=True)
        raise typer.Exit(1)


def _print(described: dict[str, object], measured: list[dict[str, object]]) -> None:
    console = Console(width=120)
    console.print(", ".join(f"{key} {value}" for key, value in described.items()))
    names = list(dict.fromkeys(str(run["name"]) for run in measured))
    table = Table("median of the runs", *names)
    for key in measured[0]:
        if key == "name":
            continue
        table.add_row(
            key,
            *(
                f"{statistics.median(float(str(r[key])) for r in measured if r['name'] == name):g}"
                for name in names
            ),
        )
    console.print(table)


if __name__ == "__main__":
    app()
