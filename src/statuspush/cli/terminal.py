"""What every command prints with: tables for people, JSON for programs, one line for errors.

Results go to stdout. Progress, notes and errors go to stderr, so that a pipe holds results only.
"""

import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from statuspush.core.words import Language

if TYPE_CHECKING:
    from rich.console import Console

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
"""The flag that every command with a table has."""
LangFlag = Annotated[
    str | None,
    typer.Option("--lang", metavar="en|zh", help="Language of the answer. [default: the locale's]"),
]
"""The flag of commands that answer in two languages; see :func:`language_of`."""


def examples(*lines: str) -> str:
    """The epilog of a command: examples, one per line, in rich's markup."""
    return "\n".join(["[bold]Examples[/bold]", *(f"  {line}" for line in lines)])


def add_command(app: typer.Typer, name: str, epilog: str, command: Callable[..., None]) -> None:
    """Add the function to the app as a command, with its docstring as help.

    The lines of a paragraph are joined, so that help is wrapped to the width of the terminal and
    not to that of the source.
    """
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    prose = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    app.command(name, help=prose, epilog=epilog)(command)


def console() -> "Console":
    """The console of stdout: colours on a terminal only, no guesses about what to highlight.

    Without a terminal, lines are as long as they need to be, so that grep and awk see whole cells.
    """
    from rich.console import Console  # noqa: PLC0415 - not needed for --json

    out = Console(highlight=False)
    if not out.is_terminal:
        out.width = 10_000
    return out


def note(text: str) -> None:
    """A line on stderr for a person."""
    typer.echo(text, err=True)


def print_json(value: object) -> None:
    """One JSON document on stdout, in a layout that people can read too."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout; None is a dash and numbers are aligned to the right."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    cells = [list(row) for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, title in enumerate(columns):
        filled = [row[index] for row in cells if row[index] is not None]
        numbers = bool(filled) and all(isinstance(cell, int | float) for cell in filled)
        table.add_column(title, justify="right" if numbers else "left", overflow="fold")
    for row in cells:
        # Text, not str: an account's name or an endpoint's answer is never markup.
        table.add_row(*(Text(shown(cell)) for cell in row))
    console().print(table, crop=False)


def shown(cell: object) -> str:
    """A cell for a person."""
    match cell:
        case None | "":
            return "–"
        case bool():
            return "yes" if cell else "no"
        case int():
            return f"{cell:,}"
        case float():
            return f"{cell:,.1f}"
        case list() | tuple():
            return ", ".join(str(item) for item in cell) or "–"
    return str(cell)


def age(seconds: float | None) -> str | None:
    """A time span as a person says it: ``45 s``, ``3 min``, ``2.5 h``, ``4.0 d``."""
    if seconds is None:
        return None
    for limit, size, unit in ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h")):
        if seconds < limit:
            digits = 1 if unit == "h" or (unit == "s" and seconds < 10) else 0
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / 86400:.1f} d"


def language_of(asked: str | None, environ: Any = os.environ) -> Language:
    """The language of texts for people: that of ``--lang``, else that of the locale."""
    if asked is None:
        names = ("LC_ALL", "LC_MESSAGES", "LANG")
        asked = next((environ[name] for name in names if environ.get(name)), "")
    return "zh" if asked.lower().startswith("zh") else "en"


def stderr_is_terminal() -> bool:
    """Whether a person is watching; only then is there a progress bar."""
    return sys.stderr.isatty()
