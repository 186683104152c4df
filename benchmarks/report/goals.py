"""The table: what is measured, what must be, what is aimed at, and where the figure comes from."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import peers, retention
from benchmarks.benchmark import Run, kinds, of
from benchmarks.report.results import Results

Values = Callable[[list[Run]], Sequence[float]]


@dataclass(frozen=True)
class Goal:
    """A line of the table."""

    what: str
    part: str
    values: Values
    """The figure of each run; the line shows their median and range."""
    form: str
    unit: str = ""
    must: float | None = None
    aim: float | None = None
    least: bool = True
    """``must`` and ``aim`` are the least that is good; else the most."""

    def measured(self, results: Results) -> list[float] | None:
        """The figures, or None if the part has not been measured."""
        if self.part not in results:
            return None
        return list(self.values(results[self.part].runs)) or None

    def reached(self, results: Results) -> str:
        """What the median reaches: the aim, what must be, or neither."""
        values = self.measured(results)
        if values is None or self.must is None:
            return ""
        # Judged as it is shown: 0.996 of a ratio is 1.00.
        median = float(
            self.form.join(("{:", "}")).format(statistics.median(values)).replace(",", "")
        )
        bounds = (
            ((self.must, "yes"),)
            if self.aim is None
            else (
                (self.aim, "aim"),
                (self.must, "must"),
            )
        )
        for bound, word in bounds:
            if median >= bound if self.least else median <= bound:
                return word
        return "**no**"

    def bound(self, value: float | None) -> str:
        """A bound as the table shows it."""
        return "" if value is None else self._with_unit(f"{value:,g}")

    def shown(self, results: Results) -> str:
        """Median and range of what was measured."""
        values = self.measured(results)
        if values is None:
            return f"not measured (`report --only {self.part}`)"
        median = self._with_unit(format(statistics.median(values), self.form))
        if len(values) == 1:
            return median
        least, most = format(min(values), self.form), format(max(values), self.form)
        return f"{median} ({least} – {most})".replace("-", "−")

    def _with_unit(self, text: str) -> str:
        joined = f"{text}×" if self.unit == "×" else f"{text} {self.unit}".strip()
        return joined.replace("-", "−")


def key(name: str, /, **wanted: object) -> Values:
    """A value of the runs that have these others."""
    return lambda runs: [float(run[name]) for run in of(runs, **wanted)]


def at_size(work: str, index: int, name: str = "reports_per_second") -> Values:
    """A value of a work's runs at the smallest, middle or largest size of the file."""

    def values(runs: list[Run]) -> list[float]:
        chosen = of(runs, work=work)
        if not chosen:
            return []
        size = sorted(kinds(chosen, "stored"))[index]
        return [float(run[name]) for run in of(chosen, stored=size)]

    return values


def between_sizes(work: str, index: int, base: int) -> Values:
    """The rate at one size to that at another, round by round."""

    def values(runs: list[Run]) -> list[float]:
        pairs = zip(at_size(work, index)(runs), at_size(work, base)(runs), strict=False)
        return [rate / other for rate, other in pairs]

    return values


def _of_ours(name: str) -> Values:
    """A value of our runs, in those that have it."""
    return lambda runs: [float(run[name]) for run in of(runs, name=peers.OURS) if name in run]


def _peer(which: str) -> Values:
    """The ratio of medians first, which is also the median of what is given; rounds spread it."""

    def values(runs: list[Run]) -> list[float]:
        name = peers.faster_celery(runs) if which == "celery" else which
        middle = peers.ratio(runs, name)
        rounds = peers.ratios(runs, name)
        return sorted([min(*rounds, middle), middle, max(*rounds, middle)])

    return values


def _largest(name: str) -> Values:
    """A value of the runs with the most of what ``hung`` counts."""
    return lambda runs: key(name, hung=max(run["hung"] for run in runs))(runs)


def _percentiles(rate: int, bounds: Sequence[tuple[str, float, float]]) -> list[Goal]:
    return [
        Goal(
            f"submission to arrival at {rate:,} reports/s, {name}",
            "latency",
            key(name, rate=rate),
            ".1f",
            "ms",
            must,
            aim,
            least=False,
        )
        for name, must, aim in bounds
    ]


_LATENCY = (("p50", 5, 2), ("p95", 20, 8), ("p99", 50, 20))


def _total(name: str) -> Values:
    return lambda runs: [float(sum(run[name] for run in runs))]


def _growth(runs: list[Run]) -> list[float]:
    return [100 * run["growth"] for run in of(runs, kind="growth")]


def _losses(runs: list[Run]) -> list[float]:
    return [100 * loss for loss in retention.losses(of(runs, kind="throughput"))]


_RATE, _RATIO = ",.0f", ".2f"

GOALS: tuple[Goal, ...] = (
    Goal(
        "1,000 per request over 1,000 accounts, 5 million stored",
        *("throughput", at_size("even", 1), _RATE, "reports/s", 30_000, 60_000),
    ),
    Goal(
        "the same from 10 large accounts, pushes of 500",
        *("throughput", at_size("large", 1), _RATE, "reports/s", 80_000, 150_000),
    ),
    Goal(
        "1,000 accounts: 5 million stored to an empty file",
        *("throughput", between_sizes("even", 1, 0), _RATIO, "×", 0.8, 0.95),
    ),
    Goal(
        "10 accounts: 5 million stored to an empty file",
        *("throughput", between_sizes("large", 1, 0), _RATIO, "×", 0.8, 0.95),
    ),
    Goal(
        "1,000 accounts: 10 million stored to 5 million",
        *("throughput", between_sizes("even", 2, 1), _RATIO, "×", 0.9, 1),
    ),
    Goal(
        "10 accounts: 10 million stored to 5 million",
        *("throughput", between_sizes("large", 2, 1), _RATIO, "×", 0.9, 1),
    ),
    Goal(
        "1 report per request, 1 per push, over 1,000 accounts",
        *("peers", key("pushes_per_second", name=peers.OURS), _RATE, "pushes/s", 11_000, 16_000),
    ),
    Goal("… to Celery + Redis + requests", "peers", _peer("celery"), ".1f", "×", 14, 18),
    Goal("… to taskiq + Redis + aiohttp", "peers", _peer(peers.TASKIQ), ".1f", "×", 5, 7),
    Goal(
        "… CPU of the process that owns the store, per report",
        *("peers", _of_ours("store_us_per_report"), ".0f", "µs", 40, 25, False),
    ),
    Goal(
        "20,000 accounts, sizes by Zipf's law, 1,000 per request",
        *("accounts", key("reports_per_second", kind="zipf"), _RATE, "reports/s"),
    ),
    Goal(
        "100,000 accounts: memory, all processes (PSS)",
        *("accounts", key("memory_mb", kind="idle"), _RATE, "MB", 500, 300, False),
    ),
    Goal(
        "… restart to ready",
        *("accounts", key("ready_seconds", kind="idle"), _RATIO, "s", 4, 2, False),
    ),
    *_percentiles(200, _LATENCY),
    *_percentiles(1000, _LATENCY),
    Goal(
        "1 million waiting behind a dead endpoint: memory, all processes (PSS)",
        *("backlog", key("memory_mb"), _RATE, "MB", 400, 200, False),
    ),
    Goal(
        "… restart to ready",
        *("backlog", key("ready_seconds"), _RATIO, "s", 5, 1, False),
    ),
    Goal(
        "… drain rate to the steady rate",
        *("backlog", key("drain_ratio"), _RATIO, "×", 0.8, 1),
    ),
    Goal(
        "throughput while retention removes yesterday's data, to without",
        *("retention", _losses, ".1f", "%", -10, 0),
    ),
    Goal(
        "growth of the file from the second to the tenth day at constant load",
        *("retention", _growth, ".0f", "%", 0, None, False),
    ),
    Goal("encode, 500 reports", "codec", key("encode"), _RATIO, "µs", 1.0, 0.5, least=False),
    Goal(
        "decode with validation, 500 reports",
        *("codec", key("decode"), _RATIO, "µs", 1.2, 0.7, False),
    ),
)
"""The table that was promised."""


def _further(
    what: str, part: str, values: Values, form: str, unit: str = "", most: float | None = None
) -> Goal:
    return Goal(what, part, values, form, unit, most, least=False)


def _at_largest(name: str) -> Values:
    """A value of the runs on the largest file."""
    return lambda runs: key(name, stored=max(run["stored"] for run in runs))(runs)


_MS, _TENTH = (".0f", "ms"), (".1f", "ms")
_UNDER_LOAD = "… accepted a second ago, under load: slowest"

FURTHER: tuple[Goal, ...] = (
    _further(
        "search in 10 million stored, at rest: slowest", "search", key("idle_max_ms"), *_MS, 100
    ),
    _further("… under load: slowest", "search", key("loaded_max_ms"), *_MS, 100),
    _further(_UNDER_LOAD, "search", key("fresh_max_ms"), *_MS, 100),
    _further("… questions that found nothing", "search", _total("not_found"), ".0f", "", 0),
    _further(
        "repeated reports accepted twice, at all sizes, also after a restart",
        *("duplicates", _total("accepted_twice"), ".0f", "", 0),
    ),
    _further("… repeated reports submitted for it", "duplicates", _total("repeated"), _RATE),
    _further(
        "a wholly repeated submission, 10 million stored",
        *("duplicates", _at_largest("again_per_second"), _RATE, "reports/s"),
    ),
    _further(
        "… of reports from all over the file",
        *("duplicates", _at_largest("old_per_second"), _RATE, "reports/s"),
    ),
    _further(
        "longest accept while sorting and retention run, 10,000 reports/s",
        *("pauses", key("accept_max_ms", upkeep=True), *_MS, 50),
    ),
    _further("… while neither does", "pauses", key("accept_max_ms", upkeep=False), *_MS),
    _further(
        "healthy p99 beside 1,000 hung customers", "hung", _largest("hanging_p99_ms"), *_TENTH
    ),
    _further(
        "… in the two seconds in which all begin to hang",
        *("hung", _largest("onset_p99_ms"), *_TENTH),
    ),
    _further("… without them", "hung", key("hanging_p99_ms", hung=0), *_TENTH),
    _further(
        "restart to ready after kill -9, 1 million waiting",
        *("backlog", key("ready_after_kill_seconds"), _RATIO, "s"),
    ),
    _further(
        "decode a push's form, as a customer, 500 reports",
        *("codec", key("decode_form"), _RATIO, "µs"),
    ),
)
"""What was to be found out beside it."""
