"""One measured run: a workload on a service that was started for it."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from statuspush.bench.figures import Figures, Moment, Observed, figures
from statuspush.bench.load_generator import Order
from statuspush.bench.load_process import prepared
from statuspush.bench.reconcile import reconcile
from statuspush.bench.reports import Plan
from statuspush.bench.rig import TOKEN, Rig, running
from statuspush.bench.sampler import Sampler
from statuspush.core.errors import ServiceError

_DRAIN_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.1
_DRAWN: Final = 200_000


@dataclass(frozen=True)
class Workload:
    """What is submitted. It ends with ``requests`` or after ``seconds``, whichever is set."""

    name: str
    accounts: int
    per_request: int
    connections: int
    requests: int | None = None
    seconds: float | None = None
    zipf: bool = False
    """Sizes by Zipf's law: the n-th account has a share of the reports proportional to 1/n."""

    @property
    def names(self) -> list[str]:
        """The accounts."""
        return [f"customer-{n:04d}" for n in range(self.accounts)]

    @property
    def owners(self) -> list[str]:
        """The accounts of reports one after another, repeated from the start; see ``Plan``."""
        if not self.zipf:
            return self.names
        weights = [1 / n for n in range(1, self.accounts + 1)]
        # Drawn once, the same in every run.
        return random.Random(1).choices(self.names, weights, k=_DRAWN)  # noqa: S311


EVEN: Final = Workload("even", accounts=1000, per_request=1000, connections=16)
LARGE: Final = Workload("large", accounts=10, per_request=1000, connections=16)
ZIPF: Final = Workload("zipf", accounts=20_000, per_request=1000, connections=16, zipf=True)
SINGLE: Final = Workload("single", accounts=1000, per_request=1, connections=64)


def run(
    work: Workload,
    directory: Path,
    *,
    tag: str = "new",
    settings: dict[str, str] | None = None,
    phase: Callable[[str], None] = lambda phase: None,
) -> Figures:
    """Run a workload in a directory, on the database that is there or an empty one.

    ``tag`` must differ between runs on one database. ``phase`` is called with ``start``,
    ``load``, ``drain`` and ``reconcile`` as they begin.

    Raises :class:`~statuspush.core.errors.ServiceError` if a process fails or nothing moves.
    """
    phase("start")
    plan = Plan(work.owners, work.per_request, tag)
    with (
        running(directory, work.names, settings) as rig,
        prepared(order_of(work, rig.port, tag), directory) as submit,
    ):
        size = rig.database_bytes()
        metrics = rig.metrics()
        before = Moment.now(rig)
        phase("load")
        with Sampler(rig.service.pid) as watch:
            load = submit()
            loaded, disk_share = Moment.now(rig), watch.disk_share
            phase("drain")
            drain(rig, metrics, load.requests * work.per_request)
        after = Moment.now(rig)
        metrics_after = rig.metrics()
    phase("reconcile")
    found = reconcile(rig.journal, plan, load.requests)
    seen = Observed(
        before,
        loaded,
        after,
        disk_share,
        metrics,
        metrics_after,
        memory_mb=watch.peak_mb,
        resident_mb=sum(watch.most_mb.values()),
        grown=rig.database_bytes() - size,
        ready_seconds=rig.service.ready_seconds,
        exit_status=rig.exit_status,
    )
    return figures(work.name, load, found, seen)


def order_of(work: Workload, port: int, tag: str) -> Order:
    """The order for the load generator."""
    order = Order(
        port=port,
        token=TOKEN,
        accounts=work.owners,
        per_request=work.per_request,
        tag=tag,
        connections=work.connections,
        seconds=work.seconds,
    )
    return order if work.requests is None else replace(order, requests=work.requests)


def drain(rig: Rig, before: dict[str, float], reports: int) -> None:
    """Wait until every report is recorded as delivered."""
    name = "statuspush_reports_acknowledged_total"
    wanted = before.get(name, 0.0) + reports
    deadline = time.monotonic() + _DRAIN_SECONDS
    while rig.metrics().get(name, 0.0) < wanted:
        rig.service.check()
        if time.monotonic() > deadline:
            raise ServiceError(f"the backlog does not drain in {_DRAIN_SECONDS:g} s")
        time.sleep(_POLL_SECONDS)
