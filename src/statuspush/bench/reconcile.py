"""Compares the reports that were accepted with those that arrived."""

from dataclasses import dataclass
from pathlib import Path

from statuspush.bench.reports import Plan
from statuspush.bench.sink import SinkJournal
from statuspush.core.decode import decode
from statuspush.core.kinds import VOICE_STATUS

_MANY = 255


@dataclass(frozen=True)
class Reconciliation:
    """How a run's reports add up; times are wall time in seconds, 0 if nothing arrived."""

    accepted: int
    arrived: int
    """Accepted reports that came at least once, wherever they came."""
    lost: int
    repeats: int
    misdirected: int
    """Arrivals at the wrong customer, or of reports that nobody submitted."""
    pushes: int
    last_arrival: float


def reconcile(journal: Path, plan: Plan, requests: int) -> Reconciliation:
    """Compare a sink's journal with the first requests of a plan, all of them accepted."""
    count = requests * plan.per_request
    times = bytearray(count)  # a byte per report: a run may have millions
    misdirected = repeats = seen = 0
    last = 0.0
    for at, path, body in SinkJournal.read(journal):
        seen += 1
        last = at
        account = path[1:]
        for report in decode(body, VOICE_STATUS):
            number = plan.number(str(report["sid"]))
            if number is None or number >= count:
                misdirected += 1
                continue
            misdirected += plan.account(number) != account
            repeats += times[number] > 0
            times[number] = min(times[number] + 1, _MANY)
    lost = times.count(0)
    return Reconciliation(
        accepted=count,
        arrived=count - lost,
        lost=lost,
        repeats=repeats,
        misdirected=misdirected,
        pushes=seen,
        last_arrival=last,
    )
