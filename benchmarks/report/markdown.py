"""Tables of the document."""

from collections.abc import Iterable, Sequence

from benchmarks.benchmark import Run, spread


def by_columns(
    columns: Sequence[tuple[str, Sequence[Run]]], rows: Iterable[tuple[str, str, str]]
) -> str:
    """A column for each group of runs; each row is (label, key, format)."""
    return table(
        ("", *(name for name, _ in columns)),
        [
            (label, *(spread([run[key] for run in some], form) for _, some in columns))
            for label, key, form in rows
        ],
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, its figures aligned to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
