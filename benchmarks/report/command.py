"""The command ``python -m benchmarks report``."""

import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.benchmark import Setup
from benchmarks.report import document, parts, results
from benchmarks.report.parts import CHECKOUT, PARTS

_NAMES = [part.name for part in PARTS]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Measure only these, with commas or repeated: {', '.join(_NAMES)}."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A small trial, kept in .cache/report.")
    ] = False,
    no_measure: Annotated[
        bool, typer.Option("--no-measure", help="Only make the document of what is kept.")
    ] = False,
    directory: Annotated[
        Path | None, typer.Option(help="Where databases are written; a temporary one if unset.")
    ] = None,
) -> None:
    """Measure the whole table, keep the results, and write docs/performance.md with its charts."""
    names = [name for given in only or [] for name in given.split(",")]
    if unknown := [name for name in names if name not in _NAMES]:
        raise typer.BadParameter(f"no part {', '.join(unknown)}", param_hint="--only")
    kept = CHECKOUT / ".cache" / "report" / "results" if quick else results.FOLDER
    docs = CHECKOUT / ".cache" / "report" if quick else CHECKOUT / "docs"
    kept.mkdir(parents=True, exist_ok=True)
    bad = []
    if not no_measure:
        bad = _measure(names, kept, directory or Path(tempfile.gettempdir()), quick=quick)
    found = results.load(_NAMES, kept)
    from benchmarks.report import charts  # matplotlib is needed by nothing else

    charts.draw(found, docs / "performance")
    document.write(docs / "performance.md", found, _NAMES)
    typer.echo(f"{docs / 'performance.md'}")
    if bad:
        typer.echo(f"failed, or not as it must be: {', '.join(bad)}", err=True)
        raise typer.Exit(1)


def _measure(only: list[str], kept: Path, directory: Path, *, quick: bool) -> list[str]:
    """Measure the parts, each kept as soon as it is done; returns those that went wrong."""
    began = time.monotonic()

    def tell(text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        print(f"{minutes:3d}:{seconds:02d}  {text}", file=sys.stderr, flush=True)

    bad = []
    with Setup(directory, tell=tell) as setup:
        for part in parts.chosen(only):
            try:
                result = parts.measured(part, setup, quick=quick)
            except Exception:
                # The others are worth their time all the same.
                traceback.print_exc()
                bad.append(part.name)
                continue
            results.save(result, kept)
            if result.broke_off:
                tell(f"{part.name} broke off: {result.broke_off}")
            if result.broke_off or not all(run["good"] for run in result.runs):
                bad.append(part.name)
    return bad
