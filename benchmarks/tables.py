"""What the benchmarks print for people."""

import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.end_to_end import Run
from benchmarks.latency import Latency
from statuspush.bench.figures import Figures

_MEDIANS: tuple[tuple[str, Callable[[Figures], float], str], ...] = (
    ("accepted a second", lambda f: f.accept_per_second, ",.0f"),
    ("accept p50, ms", lambda f: f.accept_ms_p50, ",.1f"),
    ("accept p99, ms", lambda f: f.accept_ms_p99, ",.1f"),
    ("pushes a second", lambda f: f.pushes_per_second, ",.0f"),
    ("reports a push", lambda f: f.reports_per_push, ",.1f"),
    ("CPU µs a report: service", lambda f: f.cpu_us_per_report, ",.1f"),
    ("  its store process", lambda f: f.store_us_per_report, ",.1f"),
    ("  its workers", lambda f: f.workers_us_per_report, ",.1f"),
    ("CPU µs a report: generator", lambda f: f.load_us_per_report, ",.2f"),
    ("CPU µs a report: customer", lambda f: f.sink_us_per_report, ",.2f"),
    ("both, of the machine", lambda f: f.harness_of_machine, ".1%"),
    ("machine busy", lambda f: f.shares.all_cores, ".0%"),
    ("  by others", lambda f: f.shares.others, ".0%"),
    ("store waits for the disk", lambda f: f.shares.disk, ".0%"),
    ("commits a second", lambda f: f.commits / f.seconds, ",.0f"),
    ("memory MB (PSS)", lambda f: f.memory_mb, ",.0f"),
    ("memory MB (VmHWM)", lambda f: f.resident_mb, ",.0f"),
    ("bytes on disk a report", lambda f: f.bytes_per_report, ",.0f"),
    ("ready after, s", lambda f: f.ready_seconds, ".2f"),
)
_SUMS = ("turned_away", "lost", "repeats", "misdirected")


def machine_line(described: dict[str, object]) -> str:
    """The machine in a line."""
    return ", ".join(f"{key} {value}" for key, value in described.items())


def end_to_end(console: Console, runs: Sequence[Run]) -> None:
    """A table for each work, a column for each size of the file."""
    for work in dict.fromkeys(run.work for run in runs):
        chosen = [run for run in runs if run.work == work]
        sizes = list(dict.fromkeys(run.stored for run in chosen))
        by_size = [[run for run in chosen if run.stored == size] for size in sizes]
        title = f"{work}: medians (least – most) of {len(by_size[0])} runs"
        table = Table("", *(_head(some) for some in by_size), title=title, box=box.SIMPLE_HEAD)
        for column in table.columns[1:]:
            column.justify = "right"
        rate = [[run.figures.reports_per_second for run in some] for some in by_size]
        table.add_row("reports a second", *(_spread(values, ",.0f") for values in rate))
        if len(sizes) > 1:
            if 0 in sizes:
                base = by_size[sizes.index(0)]
                table.add_row("  to 0 stored", *(_ratio(some, base) for some in by_size))
            steps = [_ratio(some, before) for before, some in pairwise(by_size)]
            table.add_row("  to the size before", "", *steps)
        for label, value, form in _MEDIANS:
            medians = [statistics.median(value(run.figures) for run in some) for some in by_size]
            table.add_row(label, *(format(median, form) for median in medians))
        for name in _SUMS:
            table.add_row(
                name.replace("_", " "),
                *(str(sum(getattr(run.figures, name) for run in some)) for some in by_size),
            )
        console.print(table)


def latency(results: Sequence[Latency]) -> Table:
    """Medians and spread of each rate."""
    table = Table(
        "reports a second",
        "",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "lost",
        title="medians (least – most) of the runs",
        box=box.SIMPLE_HEAD,
    )
    for rate in dict.fromkeys(result.rate for result in results):
        chosen = [result for result in results if result.rate == rate]
        lost = str(sum(result.lost for result in chosen))
        for label, prefix in (("accepted", "accept_"), ("at the customer", "")):
            values = [
                [getattr(result, f"{prefix}{name}") for result in chosen]
                for name in ("p50", "p95", "p99")
            ]
            table.add_row(str(rate), label, *(_spread(some, ".1f") for some in values), lost)
    return table


def _head(some: Sequence[Run]) -> str:
    """The size of the file, and what it really was if it grew from run to run."""
    before = [run.figures.stored_before for run in some]
    size = f"{some[0].stored:,} stored"
    if max(before) == some[0].stored:
        return size
    return f"{size}\n(grew: {min(before):,} – {max(before):,})"


def _ratio(some: Sequence[Run], base: Sequence[Run]) -> str:
    """Of the main rate, each run to that of its own round."""
    ratios = [
        run.figures.reports_per_second / other.figures.reports_per_second
        for run, other in zip(some, base, strict=True)
    ]
    return _spread(ratios, ".2f")


def _spread(values: Sequence[float], form: str) -> str:
    median = format(statistics.median(values), form)
    return f"{median} ({format(min(values), form)} – {format(max(values), form)})"
