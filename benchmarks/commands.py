"""The commands whose benchmarks are all alike: one for each :class:`Benchmark`."""

import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import (
    accounts,
    backlog,
    codec,
    duplicates,
    hung,
    pauses,
    peers,
    receiver,
    retention,
    search,
    steps,
)
from benchmarks.baselines.broker import RedisMissing
from benchmarks.benchmark import Benchmark, Run, Setup
from benchmarks.tables import machine_line
from statuspush.bench import machine

BENCHMARKS: tuple[Benchmark, ...] = (
    accounts.BENCHMARK,
    backlog.BENCHMARK,
    codec.BENCHMARK,
    duplicates.BENCHMARK,
    hung.BENCHMARK,
    pauses.BENCHMARK,
    peers.BENCHMARK,
    receiver.BENCHMARK,
    retention.BENCHMARK,
    search.BENCHMARK,
    steps.BENCHMARK,
)
_WIDTH = 120


def register(app: typer.Typer) -> None:
    """Add a command for each benchmark."""
    for benchmark in BENCHMARKS:
        _register(app, benchmark)


def _register(app: typer.Typer, benchmark: Benchmark) -> None:
    @app.command(benchmark.name, help=benchmark.help)
    def command(
        runs: Annotated[int, typer.Option(min=1, help="Runs; what is compared takes turns.")] = 5,
        scale: Annotated[float, typer.Option(min=0.001, help="Share of the usual size.")] = 1.0,
        directory: Annotated[
            Path | None, typer.Option(help="Where databases are written; a temporary one if unset.")
        ] = None,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print one JSON document instead of tables.")
        ] = False,
    ) -> None:
        folder = directory or Path(tempfile.gettempdir())
        described = machine.describe(folder)
        try:
            with Setup(folder, runs, scale, tell) as setup:
                results = list(benchmark.measure(setup))
        except RedisMissing as error:
            typer.echo(error, err=True)
            raise typer.Exit(2) from error
        if as_json:
            typer.echo(json.dumps({"machine": described, "scale": scale, "runs": results}))
        else:
            console = Console(width=_WIDTH)
            console.print(machine_line(described))
            for each in benchmark.tables(results):
                console.print(each)
        conclude(results)


def tell(text: str) -> None:
    """What begins, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def conclude(runs: Iterable[Run]) -> None:
    """Exit status 1 if a run found something lost, repeated or wrong."""
    if bad := [run for run in runs if not run["good"]]:
        typer.echo(f"{len(bad)} runs are not as they must be: {json.dumps(bad)}", err=True)
        raise typer.Exit(1)
