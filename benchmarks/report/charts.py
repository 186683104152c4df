"""The charts of the document, as small SVG files that are the same for the same results."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.benchmark import Run, kinds, of
from benchmarks.report.charts_list import CHARTS
from benchmarks.report.results import Results

_SIZE = (7.0, 3.6)
_INK = "#333333"
_COLOURS = ("#0b6e99", "#c8552b", "#3d8b55")
_STYLE: Any = {
    "svg.hashsalt": "statuspush",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": "#999999",
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
}


def draw(results: Results, folder: Path, suffix: str = "svg") -> list[str]:
    """Draw what there are results for; returns the names of the charts."""
    drawn = []
    for name, (part, chart) in _CHARTS.items():
        if part not in results:
            continue
        with mpl.rc_context(_STYLE):
            figure = Figure(figsize=_SIZE, layout="constrained")
            axes = figure.add_subplot()
            axes.set_title(CHARTS[name])
            axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
            axes.set_axisbelow(True)
            chart(axes, results[part].runs)
            folder.mkdir(parents=True, exist_ok=True)
            metadata = {"Date": None} if suffix == "svg" else None
            figure.savefig(folder / f"{name}.{suffix}", metadata=metadata, dpi=110)
        drawn.append(name)
    return drawn


def _throughput(axes: Axes, runs: list[Run]) -> None:
    labels = {"even": "1,000 accounts", "large": "10 accounts"}
    bounds = {"even": (30, 60), "large": (80, 150)}
    sizes = sorted(kinds(runs, "stored"))
    for colour, work in zip(_COLOURS, kinds(runs, "work"), strict=False):
        rates = [
            [run["reports_per_second"] / 1000 for run in of(runs, work=work, stored=size)]
            for size in sizes
        ]
        _line(axes, [size / 1e6 for size in sizes], rates, colour, labels[work])
        for value, word in zip(bounds[work], ("must", "aim"), strict=True):
            _bound(axes, value, f"{labels[work]}: {word}", colour)
    axes.set_xlabel("reports stored before, million")
    axes.set_ylabel("thousand reports/s")
    axes.set_xticks([size / 1e6 for size in sizes], [f"{size / 1e6:g}" for size in sizes])
    axes.set_ylim(bottom=0)


def _latency(axes: Axes, runs: list[Run]) -> None:
    rates = sorted(kinds(runs, "rate"))
    for colour, name in zip(_COLOURS, ("p50", "p95", "p99"), strict=True):
        values = [[run[name] for run in of(runs, rate=rate)] for rate in rates]
        _line(axes, rates, values, colour, name)
    for value, word in ((50, "p99 must, to 1,000/s"), (20, "p99 aim, to 1,000/s")):
        _bound(axes, value, word, _COLOURS[2])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("reports/s, one a request")
    axes.set_ylabel("submission to arrival, ms")
    axes.set_xticks(rates, [f"{rate:,}" for rate in rates])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")


def _memory(axes: Axes, runs: list[Run]) -> None:
    stages = list(zip(*(run["memory"] for run in runs), strict=True))
    waiting = [stage[0][0] / 1000 for stage in stages]
    _line(axes, waiting, [[mb for _, mb in stage] for stage in stages], _COLOURS[0], "measured")
    for value, word in ((400, "must"), (200, "aim")):
        _bound(axes, value, word, _COLOURS[1])
    axes.set_xlabel("reports waiting behind a dead endpoint, thousand")
    axes.set_ylabel("memory of all processes (PSS), MB")
    axes.set_xticks(waiting, [f"{value:,g}" for value in waiting])
    axes.set_ylim(bottom=0)


def _line(
    axes: Axes, at: Sequence[float], values: Sequence[Sequence[float]], colour: str, label: str
) -> None:
    """Medians joined by a line, with the range of the runs; the label stands at its end."""
    medians = [statistics.median(some) for some in values]
    below = [median - min(some) for median, some in zip(medians, values, strict=True)]
    above = [max(some) - median for median, some in zip(medians, values, strict=True)]
    axes.errorbar(
        at, medians, yerr=[below, above], color=colour, marker="o", markersize=4,
        linewidth=1.6, elinewidth=1, capsize=2.5,
    )  # fmt: skip
    axes.annotate(
        label, (at[-1], medians[-1]), xytext=(8, 0), textcoords="offset points",
        color=colour, va="center", annotation_clip=False,
    )  # fmt: skip


def _bound(axes: Axes, value: float, label: str, colour: str) -> None:
    """What must be or is aimed at, as a thin line."""
    axes.axhline(value, color=colour, linewidth=0.7, linestyle=(0, (5, 3)), alpha=0.7, zorder=1)
    axes.annotate(
        label, (0, value), xycoords=("axes fraction", "data"), xytext=(3, 2),
        textcoords="offset points", color=colour, fontsize=7.5, va="bottom",
    )  # fmt: skip


_CHARTS = {
    "throughput": ("throughput", _throughput),
    "latency": ("latency", _latency),
    "memory": ("backlog", _memory),
}
