"""From the moment a report is submitted to its arrival at the customer, at a steady rate."""

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks import load
from benchmarks.rig import TOKEN, running
from benchmarks.sink import Journal
from statuspush.core.decode import decode

_ACCOUNTS = 100
_SECONDS = 8


@dataclass(frozen=True)
class Latency:
    """Milliseconds from submission to arrival of one run."""

    rate: int
    reports: int
    p50: float
    p95: float
    p99: float
    lost: int


def run(rate: int, *, directory: Path) -> Latency:
    """Submit single reports at random times, ``rate`` a second on average."""
    folder = Path(tempfile.mkdtemp(prefix="statuspush-latency-", dir=directory))
    accounts = [f"customer-{n:03d}" for n in range(_ACCOUNTS)]
    reports = rate * _SECONDS
    made = load.requests(accounts, reports=reports, per_request=1, token=TOKEN, tag="new")
    try:
        with running(folder, accounts, {}) as rig:
            sent = uvloop.run(load.submit_at(rig.port, made, rate=rate))
            time.sleep(1)
        arrived = {
            int(str(report["sid"])[3:], 16): at
            for at, _, body in Journal.read(rig.journal)
            for report in decode(body)
        }
    finally:
        shutil.rmtree(folder)
    times = sorted((at - sent[number]) * 1000 for number, at in arrived.items())
    p50, p95, p99 = (round(times[int(len(times) * share)], 2) for share in (0.5, 0.95, 0.99))
    return Latency(rate, reports, p50, p95, p99, lost=reports - len(arrived))
