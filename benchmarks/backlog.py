"""One account with a dead endpoint and a backlog: memory, restarts, and the drain afterwards.

A run first sends the same reports through a live endpoint. Then the endpoint refuses connections
while the reports gather; the service is killed, started, stopped, started again, and the endpoint
answers. Every report is reconciled.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path

from rich.table import Table

from benchmarks.benchmark import Benchmark, Run, Setup, rows_of_medians
from benchmarks.steady import wait_delivered
from statuspush.bench import trial
from statuspush.bench.load_generator import Order
from statuspush.bench.load_process import prepared
from statuspush.bench.reports import Plan
from statuspush.bench.rig import TOKEN, Rig, running
from statuspush.bench.sampler import Sampler
from statuspush.bench.sink import SinkJournal
from statuspush.bench.trial import Workload
from statuspush.core.decode import decode
from statuspush.core.kinds import VOICE_STATUS

REPORTS = 1_000_000
_ACCOUNT = "customer-0000"
_PER_REQUEST = 1000
_CONNECTIONS = 4
_STAGES = (0.125, 0.25, 0.5, 1.0)
"""Shares of the backlog at which memory is looked at."""
_DEAD_URL = f"http://127.0.0.1:1/{_ACCOUNT}"
"""Nothing listens there: connections are refused at once."""
_DRAIN_SECONDS = 180.0
_SETTLE_SECONDS = 1.5


def measure(setup: Setup) -> Iterator[Run]:
    """The runs."""
    requests = setup.scaled(REPORTS // _PER_REQUEST, least=8)
    for turn in range(setup.runs):
        folder = Path(tempfile.mkdtemp(prefix="statuspush-backlog-", dir=setup.directory))
        try:
            setup.tell(f"backlog, run {turn + 1}: through a live endpoint")
            (folder / "live").mkdir()
            live = trial.run(
                Workload("steady", 1, _PER_REQUEST, _CONNECTIONS, requests), folder / "live"
            )
            setup.tell(f"backlog, run {turn + 1}: behind a dead one")
            (folder / "dead").mkdir()
            yield {
                "round": turn,
                "reports": requests * _PER_REQUEST,
                "steady_per_second": live.reports_per_second,
                **(found := _behind_dead(folder / "dead", requests)),
                "drain_ratio": found["drain_per_second"] / live.reports_per_second,
                "good": found["good"] and live.good,
            }
        finally:
            shutil.rmtree(folder)


def _behind_dead(folder: Path, requests: int) -> Run:
    reports = requests * _PER_REQUEST
    plans = [
        (Plan([_ACCOUNT], _PER_REQUEST, f"s{stage}"), count)
        for stage, count in enumerate(_counts(requests))
    ]
    with running(folder, [_ACCOUNT], kill=True) as rig:
        memory, filling = _fill(rig, plans)
        waiting = rig.metrics()["statuspush_reports_waiting"]
    # No account is opened: that would give it a live URL.
    with running(folder, []) as rig:
        killed_ready = rig.service.ready_seconds
    # The retry of the first push is due within this interval of the start.
    settings = {"retry_interval_seconds": "5"}
    with running(folder, [], settings) as rig, Sampler(rig.service.pid) as watch:
        ready = rig.service.ready_seconds
        restarted = rig.memory_mb()
        url = f"http://127.0.0.1:{rig.sink_port}/{_ACCOUNT}"
        rig.api("PATCH", f"/v1/accounts/{_ACCOUNT}/push", {"url": url})
        drained = wait_delivered(rig, reports, _DRAIN_SECONDS)
    found = _reconciled(rig.journal, plans)
    return {
        "waiting": waiting,
        "memory": memory,
        "memory_mb": max(filling, watch.peak_mb, *(mb for _, mb in memory)),
        "memory_restarted_mb": restarted,
        "ready_seconds": ready,
        "ready_after_kill_seconds": killed_ready,
        **found,
        "good": drained and rig.exit_status == 0 and not (found["lost"] or found["misdirected"]),
    }


def _counts(requests: int) -> list[int]:
    """How many requests each stage adds."""
    upto = [0, *(round(requests * share) for share in _STAGES)]
    return [b - a for a, b in pairwise(upto)]


def _fill(rig: Rig, plans: Sequence[tuple[Plan, int]]) -> tuple[list[tuple[int, float]], float]:
    """Submit behind a dead endpoint; (reports that wait, MB then) of each stage, and the most."""
    rig.api("PATCH", f"/v1/accounts/{_ACCOUNT}/push", {"url": _DEAD_URL})
    waiting = 0
    memory = [(0, rig.memory_mb())]
    with Sampler(rig.service.pid) as watch:
        for plan, count in plans:
            order = Order(rig.port, TOKEN, [_ACCOUNT], _PER_REQUEST, plan.tag, _CONNECTIONS)
            with prepared(replace(order, requests=count), rig.directory) as submit:
                submit()
            waiting += count * _PER_REQUEST
            time.sleep(_SETTLE_SECONDS)
            memory.append((waiting, rig.memory_mb()))
    return memory, watch.peak_mb


def _reconciled(journal: Path, plans: Sequence[tuple[Plan, int]]) -> dict[str, float]:
    """How the reports of all plans, whose tags are equally long, add up in one journal."""
    seen = {plan.tag: (plan, bytearray(count * plan.per_request)) for plan, count in plans}
    length = len(plans[0][0].tag)
    misdirected = repeats = 0
    arrived: list[tuple[float, int]] = []
    for at, path, body in SinkJournal.read(journal):
        reports = decode(body, VOICE_STATUS)
        arrived.append((at, len(reports)))
        for report in reports:
            sid = str(report["sid"])
            plan, times = seen.get(sid[:length], (None, b""))
            number = plan.number(sid) if plan else None
            if number is None or number >= len(times) or path != f"/{_ACCOUNT}":
                misdirected += 1
                continue
            assert isinstance(times, bytearray)
            repeats += times[number] > 0
            times[number] = 1
    lost = sum(times.count(0) for _, times in seen.values())
    return {
        "drain_per_second": _rate(arrived),
        "lost": lost,
        "repeats": repeats,
        "misdirected": misdirected,
    }


def _rate(arrived: Sequence[tuple[float, int]]) -> float:
    """Reports a second from the first arrival until all but one push have come.

    The push that had failed comes when its retry is due, maybe long after all others.
    """
    wanted = sum(count for _, count in arrived) - VOICE_STATUS.max_reports
    for (at, _), sum_so_far in zip(arrived, accumulate(c for _, c in arrived), strict=True):
        if sum_so_far >= wanted:
            return sum_so_far / max(at - arrived[0][0], 1e-9)
    return 0.0


_ROWS = (
    ("reports that waited", "waiting", ",.0f"),
    ("most memory, MB (PSS of all processes)", "memory_mb", ",.0f"),
    ("memory after the restart, MB", "memory_restarted_mb", ",.0f"),
    ("restart to ready, s", "ready_seconds", ".2f"),
    ("  after kill -9, s", "ready_after_kill_seconds", ".2f"),
    ("drained a second", "drain_per_second", ",.0f"),
    ("through a live endpoint a second", "steady_per_second", ",.0f"),
    ("  ratio", "drain_ratio", ".2f"),
    ("lost", "lost", ".0f"),
    ("repeats", "repeats", ".0f"),
)


def tables(runs: Sequence[Run]) -> Iterator[Table]:
    """For people."""
    yield rows_of_medians("a backlog behind a dead endpoint", {"": runs}, _ROWS)


BENCHMARK = Benchmark(
    "backlog", "One account with a dead endpoint and a million waiting reports.", measure, tables
)
