"""From the moment a report is submitted to its acceptance and arrival, at a steady rate."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from statuspush.bench.figures import percentile
from statuspush.bench.load_generator import Order
from statuspush.bench.load_process import prepared
from statuspush.bench.reconcile import reconcile
from statuspush.bench.reports import Plan
from statuspush.bench.rig import TOKEN, running
from statuspush.bench.sink import SinkJournal
from statuspush.core.decode import decode
from statuspush.core.kinds import VOICE_STATUS

_ACCOUNTS = 100
_SECONDS = 8
_CONNECTIONS = 16
_DRAIN_SECONDS = 10


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one run from sending a report, to its 202 and to its arrival."""

    rate: int
    reports: int
    accept_p50: float
    accept_p95: float
    accept_p99: float
    p50: float
    p95: float
    p99: float
    turned_away: int
    lost: int
    repeats: int
    misdirected: int


def run(rate: int, *, directory: Path) -> Latency:
    """Submit single reports at random times, ``rate`` a second on average."""
    folder = Path(tempfile.mkdtemp(prefix="statuspush-latency-", dir=directory))
    accounts = [f"customer-{n:03d}" for n in range(_ACCOUNTS)]
    reports = rate * _SECONDS
    plan = Plan(accounts, per_request=1, tag="new")
    try:
        with running(folder, accounts) as rig:
            order = Order(
                port=rig.port,
                token=TOKEN,
                accounts=accounts,
                per_request=plan.per_request,
                tag=plan.tag,
                connections=_CONNECTIONS,
                requests=reports,
                rate=rate,
            )
            with prepared(order, folder) as submit:
                load = submit()
            deadline = time.monotonic() + _DRAIN_SECONDS
            while rig.delivered() < reports and time.monotonic() < deadline:
                time.sleep(0.05)
        found = reconcile(rig.journal, plan, reports)
        times = _arrivals(rig.journal, plan, load.sent)
    finally:
        shutil.rmtree(folder)
    accept = _percentiles(sorted(load.took))
    arrival = _percentiles(times)
    return Latency(
        rate=rate,
        reports=reports,
        accept_p50=accept[0],
        accept_p95=accept[1],
        accept_p99=accept[2],
        p50=arrival[0],
        p95=arrival[1],
        p99=arrival[2],
        turned_away=load.turned_away,
        lost=found.lost,
        repeats=found.repeats,
        misdirected=found.misdirected,
    )


def _arrivals(journal: Path, plan: Plan, sent: Sequence[float]) -> list[float]:
    """Seconds from sending to the first arrival of each report that came, ordered."""
    first: dict[int, float] = {}
    for at, _, body in SinkJournal.read(journal):
        for report in decode(body, VOICE_STATUS):
            number = plan.number(str(report["sid"]))
            if number is not None:
                first.setdefault(number, at)
    return sorted(at - sent[number] for number, at in first.items())


def _percentiles(ordered: Sequence[float]) -> list[float]:
    """p50, p95 and p99 in milliseconds."""
    return [round(percentile(ordered or [0.0], share) * 1000, 2) for share in (0.5, 0.95, 0.99)]
