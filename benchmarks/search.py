"""Search by sid, mobile and uid in a large file: at rest, under load, and for what just came."""

import json
import random
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks import steady
from benchmarks.benchmark import Benchmark, Run, Setup, percentiles, rows_of_medians
from benchmarks.prefill import stored_report
from statuspush.bench.reports import Plan
from statuspush.bench.rig import Rig, running
from statuspush.bench.trial import EVEN

STORED = 10_000_000
_NAMES = EVEN.names
_KEYS = ("sid", "mobile", "uid")
_QUESTIONS = 50
_FRESH = 8
_AGE_SECONDS = 1.0
_REQUESTS_PER_SECOND = 20
_PER_REQUEST = 1000
_LOAD_SECONDS = 15.0
_LIMIT_MS = 100.0


def measure(setup: Setup) -> Iterator[Run]:
    """The runs."""
    size = setup.scaled(STORED, least=10_000)
    files = setup.files(_NAMES)
    for turn in range(setup.runs):
        setup.tell(f"search, {size:,} stored, run {turn + 1}")
        with files.folder(size) as folder:
            yield {"round": turn, "stored": size, **_run(folder, size, turn, setup)}


def _run(folder: Path, stored: int, turn: int, setup: Setup) -> Run:
    rng = random.Random(turn)
    plan = Plan(_NAMES, _PER_REQUEST, f"f{turn}")
    idle: list[float] = []
    loaded: list[float] = []
    fresh: list[float] = []
    missed = 0

    def under_load() -> None:
        nonlocal missed
        until = time.monotonic() + setup.seconds(_LOAD_SECONDS, least=4.0) - _AGE_SECONDS
        probe = 0
        while time.monotonic() < until:
            asked = time.monotonic()
            # Reports of an account are found again a second after their 202.
            report = _submitted(rig, turn, probe)
            probe += 1
            missed += _ask(rig, _stored(rng.randrange(stored)), loaded)
            time.sleep(max(0.0, asked + _AGE_SECONDS - time.monotonic()))
            missed += _ask(rig, report, fresh)

    with running(folder, _NAMES) as rig:
        for _ in range(setup.scaled(_QUESTIONS, least=3)):
            missed += _ask(rig, _stored(rng.randrange(stored)), idle)
        load = steady.submit(
            rig,
            plan,
            rate=_REQUESTS_PER_SECOND,
            seconds=setup.seconds(_LOAD_SECONDS, least=4.0),
            meanwhile=under_load,
        )
        reports = load.requests * _PER_REQUEST + len(fresh) // len(_KEYS)
        delivered = steady.wait_delivered(rig, reports, 60.0)
    return {
        **_figures("idle", idle),
        **_figures("loaded", loaded),
        **_figures("fresh", fresh),
        "load_per_second": load.requests * _PER_REQUEST / (load.ended - load.began),
        "questions": len(idle) + len(loaded) + len(fresh),
        "not_found": missed,
        "slower_than_100_ms": sum(ms > _LIMIT_MS for ms in (*idle, *loaded, *fresh)),
        "good": not missed and delivered and rig.exit_status == 0,
    }


def _stored(number: int) -> dict[str, Any]:
    report = stored_report(_NAMES, number)
    return {key: getattr(report, key) for key in ("account", *_KEYS)}


def _submitted(rig: Rig, turn: int, probe: int) -> dict[str, Any]:
    """A report that was accepted just now."""
    plan = Plan([_NAMES[probe % len(_NAMES)]], 1, f"p{turn}")
    report: dict[str, Any] = json.loads(plan.report(2 * probe))
    report |= {"uid": f"probe-{turn}-{probe}", "mobile": f"+4790{turn:02d}{probe:04d}"}
    answer = rig.api("POST", "/v1/reports", report)
    assert answer == {"accepted": 1, "duplicates": 0}, answer
    return report


def _ask(rig: Rig, report: dict[str, Any], took: list[float]) -> int:
    """Ask for a report by each key; note the milliseconds and return how often it is missing."""
    missing = 0
    for key in _KEYS:
        query = urllib.parse.urlencode({key: report[key]})
        began = time.perf_counter()
        items = rig.api("GET", f"/v1/reports?{query}")["items"]
        took.append((time.perf_counter() - began) * 1000)
        missing += not any(item["report"]["sid"] == report["sid"] for item in items)
    return missing


def _figures(prefix: str, took: Sequence[float]) -> dict[str, float]:
    p50, p99, most = percentiles(took, 0.5, 0.99, 1.0)
    return {f"{prefix}_p50_ms": p50, f"{prefix}_p99_ms": p99, f"{prefix}_max_ms": most}


_ROWS = (
    *(
        (f"{label}: {name}, ms", f"{prefix}_{key}_ms", ",.1f")
        for prefix, label in (
            ("idle", "at rest"),
            ("loaded", "under load"),
            ("fresh", "accepted a second ago, under load"),
        )
        for key, name in (("p50", "p50"), ("p99", "p99"), ("max", "most"))
    ),
    ("the load, reports a second", "load_per_second", ",.0f"),
    ("questions", "questions", ",.0f"),
    ("  not found", "not_found", ".0f"),
    ("  slower than 100 ms", "slower_than_100_ms", ".0f"),
)


def tables(runs: Sequence[Run]) -> Iterator[Table]:
    """For people."""
    title = f"search by sid, mobile and uid over HTTP, {runs[0]['stored']:,} stored"
    yield rows_of_medians(title, {"": runs}, _ROWS)


BENCHMARK = Benchmark("search", "Find reports by sid, mobile and uid.", measure, tables)
