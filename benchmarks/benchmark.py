"""What every benchmark is: runs as plain mappings, which can be kept, and tables made of them."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from rich import box
from rich.table import Table

from benchmarks.prefill import Prefilled

Run: TypeAlias = dict[str, Any]
"""What one run came to, as JSON knows it; ``good`` tells whether everything was as it must be."""


@dataclass
class Setup:
    """What a benchmark is given. Leave it to remove the databases that were made."""

    directory: Path
    """Where databases are written."""
    runs: int = 5
    """How often to measure each thing; things that are compared take turns."""
    scale: float = 1.0
    """Share of the usual size and duration."""
    tell: Callable[[str], None] = lambda text: None
    """Is told what begins."""
    _files: dict[tuple[str, ...], Prefilled] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def files(self, accounts: Sequence[str]) -> Prefilled:
        """Databases of these accounts, made when they are first used and kept to the end."""
        key = tuple(accounts)
        if key not in self._files:
            self._files[key] = prefilled = Prefilled(self.directory, accounts)
            self._stack.callback(prefilled.close)
        return self._files[key]

    def scaled(self, size: int, *, least: int = 1) -> int:
        """A number of things in the asked share."""
        return max(least, round(size * self.scale))

    def seconds(self, usual: float, *, least: float = 1.0) -> float:
        """A duration in the asked share."""
        return max(least, usual * self.scale)

    def __enter__(self) -> "Setup":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()


@dataclass(frozen=True)
class Benchmark:
    """A command of ``python -m benchmarks``."""

    name: str
    help: str
    measure: Callable[[Setup], Iterator[Run]]
    tables: Callable[[Sequence[Run]], Iterable[Table]]
    """What is printed for people."""


def of(runs: Iterable[Run], **wanted: object) -> list[Run]:
    """The runs that have these values."""
    return [run for run in runs if all(run.get(key) == value for key, value in wanted.items())]


def kinds(runs: Iterable[Run], key: str) -> list[Any]:
    """The values of a key that occur, in the order in which they first do."""
    return list(dict.fromkeys(run[key] for run in runs))


def percentiles(values: Iterable[float], *shares: float) -> list[float]:
    """The values that these shares of all stay within; zeros if there are none."""
    ordered = sorted(values) or [0.0]
    return [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in shares]


def spread(values: Sequence[float], form: str) -> str:
    """Median, least and most; one value stands alone."""
    median = format(statistics.median(values), form)
    if len(values) == 1:
        return median
    return f"{median} ({format(min(values), form)} – {format(max(values), form)})"


def table(title: str, *columns: str) -> Table:
    """A plain table whose figures are aligned to the right."""
    made = Table(*columns, title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in made.columns[1:]:
        column.justify = "right"
    return made


def rows_of_medians(
    title: str, groups: Mapping[str, Sequence[Run]], rows: Sequence[tuple[str, str, str]]
) -> Table:
    """A column for each group of runs; each row is (label, key, format)."""
    made = table(title, "", *groups)
    for label, key, form in rows:
        made.add_row(
            label,
            *(
                spread(values, form) if (values := [r[key] for r in some if key in r]) else "–"
                for some in groups.values()
            ),
        )
    return made
