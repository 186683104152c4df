"""Writes docs/performance.md from what is kept; parts written by hand are left as they are.

A part written by hand stands between ``<!-- written:NAME:start -->`` and ``<!-- written:NAME:end
-->``. It stays in its place; one that the document no longer has a place for goes to the end.
"""

import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import peers, steps
from benchmarks.benchmark import kinds, of, spread
from benchmarks.report.charts_list import CHARTS
from benchmarks.report.goals import FURTHER, GOALS, Goal
from benchmarks.report.markdown import by_columns, table
from benchmarks.report.results import Results

_WRITTEN = re.compile(
    r"<!-- written:(?P<name>[\w-]+):start -->\n(?P<text>.*?)<!-- written:(?P=name):end -->",
    re.DOTALL,
)
_COMMANDS = """\
```sh
./dev bench report --quick          # a short trial of everything, in .cache/report
./dev bench report                  # everything, about 45 minutes
./dev bench report --only latency   # one part again, and this document
```"""
SUMMARY, LEFT, TRIED = "summary", "left", "tried"


def written_parts(document: str) -> dict[str, str]:
    """The parts of a document that were written by hand, by name."""
    return {match["name"]: match["text"] for match in _WRITTEN.finditer(document)}


def write(path: Path, results: Results, parts: Sequence[str]) -> None:
    """Make the document anew; ``parts`` are the names of all that should have been measured."""
    before = path.read_text("utf-8") if path.exists() else ""
    charts = [name for name in CHARTS if (path.parent / "performance" / f"{name}.svg").exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document(results, parts, written_parts(before), charts), "utf-8")


def document(
    results: Results, parts: Sequence[str], written: dict[str, str], charts: Sequence[str]
) -> str:
    """The text of the document."""
    rest = dict(written)

    def by_hand(name: str) -> str:
        return f"<!-- written:{name}:start -->\n{rest.pop(name, '')}<!-- written:{name}:end -->"

    def chart(name: str) -> Iterator[str]:
        if name in charts:
            yield f"![{CHARTS[name]}](performance/{name}.svg)"

    paragraphs = [
        "# Performance",
        by_hand(SUMMARY),
        "`python -m benchmarks report` writes this document from `benchmarks/results`, except for "
        "the parts between `written` marks. Figures are medians, with the minimum and maximum of "
        "all runs in brackets. Variants that are compared were measured in turns in one run. Every "
        "report was checked at its customer.",
        "## Machine",
        *_machine(results, parts),
        "## Required, aimed at, measured",
        _goals(results, GOALS),
        "Also measured:",
        _goals(results, FURTHER),
        "## Throughput",
        *chart("throughput"),
        *_throughput(results),
        "## Latency",
        *chart("latency"),
        *_latency(results),
        "## Backlog",
        *chart("memory"),
        *_memory(results),
        "## Compared with task queues",
        *_peers(results),
        "## CPU by step",
        *_steps(results),
        by_hand(LEFT),
        "## Tried and rejected",
        by_hand(TRIED),
        "## Measure it yourself",
        _COMMANDS,
        "Run nothing else meanwhile. Each part is also a separate command; `./dev bench` lists "
        "them.",
        *(by_hand(name) for name in list(rest)),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _machine(results: Results, parts: Sequence[str]) -> Iterator[str]:
    yield from dict.fromkeys(_words(result.machine) for result in results.values())
    if results:
        dates = sorted(result.date[:10] for result in results.values())
        syncs = [float(result.machine["fdatasync_ms"]) for result in results.values()]
        when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
        minutes = sum(result.seconds for result in results.values()) / 60
        yield (
            f"Measured {when} in {minutes:.0f} minutes; fdatasync of 4 kB took "
            f"{spread(syncs, '.2f')} ms. Load generator, service and customer share the cores."
        )
    if missing := [part for part in parts if part not in results]:
        yield f"**Not measured: {', '.join(missing)}.**"
    if quick := [name for name, result in results.items() if result.quick]:
        yield f"**Only a quick trial, which says little: {', '.join(quick)}.**"
    if broke_off := [name for name, result in results.items() if result.broke_off]:
        yield f"**Broke off, with fewer runs: {', '.join(broke_off)}.**"
    bad = [name for name, result in results.items() if not all(r["good"] for r in result.runs)]
    if bad:
        yield f"**Something was lost, repeated or wrong in: {', '.join(bad)}.**"


def _words(machine: Mapping[str, object]) -> str:
    """The machine in a line, without what differs between parts measured on one machine."""
    forms = {
        "cpu": "{}",
        "cores": "{} cores",
        "memory_gb": "{} GB",
        "system": "{}",
        "python": "Python {}",
        "sqlite": "SQLite {}",
    }
    return ", ".join(forms[k].format(value) for k, value in machine.items() if k in forms)


def _goals(results: Results, goals: Iterable[Goal]) -> str:
    rows = [
        (
            goal.what,
            goal.bound(goal.must),
            goal.bound(goal.aim),
            goal.shown(results),
            goal.reached(results),
        )
        for goal in goals
    ]
    return table(("work", "must", "aim", "measured", "reached"), rows)


def _throughput(results: Results) -> Iterator[str]:
    if "throughput" not in results:
        return
    runs = results["throughput"].runs
    shares = ("store", "worker", "load", "sink", "all_cores", "others", "disk")
    flat = [{**run, **{f"share_{name}": run["shares"][name] for name in shares}} for run in runs]
    columns = [
        (f"{work}, {size / 1e6:g} M", of(flat, work=work, stored=size))
        for work in kinds(flat, "work")
        for size in kinds(of(flat, work=work), "stored")
    ]
    rows = (
        ("reports/s", "reports_per_second", ",.0f"),
        ("accept p50, ms", "accept_ms_p50", ",.0f"),
        ("accept p99, ms", "accept_ms_p99", ",.0f"),
        ("reports per push", "reports_per_push", ",.0f"),
        ("CPU of the service, µs per report", "cpu_us_per_report", ".1f"),
        ("… store process", "store_us_per_report", ".1f"),
        ("… workers", "workers_us_per_report", ".1f"),
        ("memory, MB (PSS)", "memory_mb", ",.0f"),
        ("bytes on disk per report", "bytes_per_report", ",.0f"),
        ("ready after, s", "ready_seconds", ".2f"),
        ("generator, of one core", "share_load", ".1%"),
        ("customer, of one core", "share_sink", ".1%"),
        ("**both, of the machine**", "harness_of_machine", ".1%"),
        ("machine busy", "share_all_cores", ".0%"),
        ("… by others", "share_others", ".0%"),
    )
    yield by_columns(columns, rows)
    yield (
        "`even` is 1,000 accounts, `large` 10, both 1,000 reports per request; M is million stored "
        "before. The load generator submits as fast as it is answered, so accept times are those "
        "of a saturated service."
    )


def _latency(results: Results) -> Iterator[str]:
    if "latency" not in results:
        return
    runs = results["latency"].runs
    rows = [
        (
            f"{rate:,}",
            *(
                spread([run[name] for run in of(runs, rate=rate)], ".1f")
                for name in ("p50", "p95", "p99", "accept_p50", "accept_p99")
            ),
        )
        for rate in sorted(kinds(runs, "rate"))
    ]
    yield table(("reports/s", "arrival p50, ms", "p95", "p99", "accept p50, ms", "p99"), rows)
    yield (
        "Single reports at random times over 100 accounts, from sending the request to its 202 "
        "(accept) and to the customer (arrival). At a rate that the machine does not sustain, "
        "what has not come within ten seconds of the end is left out."
    )


def _memory(results: Results) -> Iterator[str]:
    if "backlog" not in results:
        return
    runs = results["backlog"].runs
    rows = [
        (f"{stage[0][0]:,.0f}", spread([mb for _, mb in stage], ",.0f"))
        for stage in zip(*(run["memory"] for run in runs), strict=True)
    ]
    yield table(("reports waiting", "memory, MB (PSS of all processes)"), rows)
    steady = spread([run["steady_per_second"] for run in runs], ",.0f")
    drained = spread([run["drain_per_second"] for run in runs], ",.0f")
    yield f"Drained at {drained} reports/s; through a live endpoint {steady} reports/s."


def _peers(results: Results) -> Iterator[str]:
    if "peers" not in results:
        return
    runs = results["peers"].runs
    rows = [
        (
            name,
            spread([run["per_second"] for run in some], ",.0f"),
            "" if name == peers.OURS else f"{peers.ratio(runs, name):.1f}×",
            spread([run["cpu_us_per_report"] for run in some], ",.0f"),
            f"{sum(run['lost'] for run in some)}",
        )
        for name in kinds(runs, "name")
        for some in [of(runs, name=name)]
    ]
    head = ("", "pushes/s", "statuspush to it", "CPU µs per report, broker included", "lost")
    yield table(head, rows)
    redis = results["peers"].machine.get("redis")
    ours = of(runs, name=peers.OURS)
    harness = spread([run["harness_of_machine"] for run in ours], ".0%")
    yield (
        f"One report per request and push over 1,000 accounts. Redis {redis}; versions are in "
        "`benchmarks/baselines/programs`. Generator and customer took "
        f"{harness} of the machine beside statuspush."
    )


def _steps(results: Results) -> Iterator[str]:
    if "steps" not in results:
        return
    runs = results["steps"].runs
    shapes = kinds(runs, "shape")
    medians = {shape: steps.step_medians(of(runs, shape=shape)) for shape in shapes}
    totals = {shape: sum(medians[shape].values()) for shape in shapes}
    wall = steps.WALL_US

    def row(name: str, of_shape: dict[str, float]) -> tuple[str, ...]:
        cells = [
            (f"{us:.2f}", f"{us / totals[shape]:.0%}", f"{us / wall:.0%}")
            for shape, us in of_shape.items()
        ]
        return (name, *(cell for some in cells for cell in some))

    rows = [row(step, {shape: medians[shape][step] for shape in shapes}) for step in steps.STEPS]
    head = ("step", *(cell for shape in shapes for cell in (f"{shape}: µs", "share", "of 5 µs")))
    lines = [*rows, row("**all**", totals)]
    whole = dict(zip(shapes, _end_to_end(results), strict=True))
    if None not in whole.values():
        cells = [(f"{us:.2f}", "", f"{us / wall:.0%}") for us in whole.values() if us is not None]
        lines.append(("the service, end to end", *(cell for some in cells for cell in some)))
    yield table(head, lines)
    yield (
        f"CPU µs per report; {wall:g} µs fill one core at 200,000 reports/s. Measured step by "
        "step in one process. The whole service takes more for waking processes and tasks, "
        "smaller groups, and waiting for the disk."
    )


def _end_to_end(results: Results) -> list[float | None]:
    """CPU µs a report of the service as it runs, for each of the shapes of the steps."""
    found: list[float | None] = []
    for part, wanted in (
        ("throughput", {"work": "large", "stored": 0}),
        ("throughput", {"work": "even", "stored": 0}),
        ("peers", {"name": peers.OURS}),
    ):
        runs = of(results[part].runs, **wanted) if part in results else []
        values = [float(run["cpu_us_per_report"]) for run in runs]
        found.append(statistics.median(values) if values else None)
    return found
