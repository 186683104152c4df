"""The figures of a run, from what each process had used before it and after it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from statuspush.bench import machine
from statuspush.bench.load_generator import Load
from statuspush.bench.processes import (
    MachineTime,
    Usage,
    family,
    machine_time,
    usage,
    used,
)
from statuspush.bench.reconcile import Reconciliation
from statuspush.bench.rig import Rig


@dataclass(frozen=True)
class Shares:
    """How busy everything was while reports were submitted, 0 to 1.

    ``wanted`` is the time for which the main thread of a process ran or waited for a core.
    """

    store: float
    """CPU of the service's first process, which owns the store; share of one core."""
    store_wanted: float
    worker: float
    """CPU of the busiest of its other processes; share of one core, 0 if there are none."""
    worker_wanted: float
    load: float
    """CPU of the generator; share of one core."""
    sink: float
    """CPU of the customer; share of one core."""
    all_cores: float
    """All cores together, whoever used them."""
    others: float
    """Used by anything but the service, generator and sink; share of all cores."""
    disk: float
    """Share of the time in which the store waited for the disk: as seen in its threads, or the time
    that commits took beyond its computing, whichever is more."""


@dataclass(frozen=True)
class Figures:
    """The figures of a whole run, to the last delivery."""

    work: str
    stored_before: int
    reports: int
    seconds: float
    """From the first submission to the last arrival; everything was recorded after it."""
    reports_per_second: float
    accept_per_second: float
    accept_ms_p50: float
    accept_ms_p99: float
    turned_away: int
    """Submissions that got 429 and were sent again."""
    pushes: int
    reports_per_push: float
    pushes_per_second: float
    cpu_us_per_report: float
    """CPU of the service with all its processes."""
    store_us_per_report: float
    """Of the service's first process, which owns the store."""
    workers_us_per_report: float
    load_us_per_report: float
    sink_us_per_report: float
    harness_of_machine: float
    """Generator and sink, as a share of all cores."""
    shares: Shares
    workers: int
    """Processes of the service besides the first."""
    commits: int
    commit_ms: float
    """Mean time from the first statement of a commit to its end on disk."""
    memory_mb: float
    """Most memory of all the service's processes together (PSS, sampled)."""
    resident_mb: float
    """Sum of each process's peak memory, shared pages counted in each (VmHWM)."""
    bytes_per_report: float
    """By how much the database grew."""
    ready_seconds: float
    exit_status: int | None
    """Of the service; None if it had to be killed."""
    lost: int
    repeats: int
    misdirected: int

    @property
    def good(self) -> bool:
        """Nothing lost or misdirected, and the service stopped as it should."""
        return not (self.lost or self.misdirected) and self.exit_status == 0

    def as_json(self) -> dict[str, object]:
        """The figures as a mapping, rounded to the precision that can be trusted."""
        return {
            key: _rounded(value) if key != "shares" else {k: _rounded(v) for k, v in value.items()}
            for key, value in asdict(self).items()
        }


def _rounded(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


@dataclass(frozen=True)
class Moment:
    """What had been used up to a moment."""

    service: list[Usage]
    sink: Usage
    cores: MachineTime

    @classmethod
    def now(cls, rig: Rig) -> "Moment":
        """As of now; the service is not asked."""
        (sink,) = usage([rig.sink.pid])
        return cls(usage(family(rig.service.pid)), sink, machine_time())


@dataclass(frozen=True)
class Observed:
    """What was seen from outside, and what the service reports about itself."""

    before: Moment
    loaded: Moment
    """When the last submission had been answered."""
    after: Moment
    """When everything had been delivered."""
    disk_share: float
    """Share of looks until ``loaded`` at which its threads waited for the disk."""
    metrics_before: dict[str, float]
    metrics_after: dict[str, float]
    memory_mb: float
    resident_mb: float
    grown: int
    """Bytes by which the database has grown."""
    ready_seconds: float
    exit_status: int | None

    def counted(self, name: str) -> float:
        """What a counter of the service has counted in the run."""
        return self.metrics_after.get(name, 0.0) - self.metrics_before.get(name, 0.0)


def figures(work: str, load: Load, found: Reconciliation, seen: Observed) -> Figures:
    """Work out the figures of a run."""
    reports = max(found.accepted, 1)
    micro = 1e6 / reports
    seconds = max(load.ended, found.last_arrival) - load.began
    store, *workers = used(seen.after.service, seen.before.service)
    (sink,) = used([seen.after.sink], [seen.before.sink])
    worker_cpu = sum(each.cpu for each in workers)
    harness = load.cpu_seconds + sink.cpu
    commits = seen.counted("statuspush_commit_seconds_count")
    committing = seen.counted("statuspush_commit_seconds_sum")
    took = sorted(load.took) or [0.0]
    return Figures(
        work=work,
        stored_before=int(seen.metrics_before.get("statuspush_reports_stored", 0.0)),
        reports=found.accepted,
        seconds=seconds,
        reports_per_second=reports / seconds,
        accept_per_second=reports / (load.ended - load.began),
        accept_ms_p50=percentile(took, 0.5) * 1000,
        accept_ms_p99=percentile(took, 0.99) * 1000,
        turned_away=load.turned_away,
        pushes=found.pushes,
        reports_per_push=reports / max(found.pushes, 1),
        pushes_per_second=found.pushes / seconds,
        cpu_us_per_report=(store.cpu + worker_cpu) * micro,
        store_us_per_report=store.cpu * micro,
        workers_us_per_report=worker_cpu * micro,
        load_us_per_report=load.cpu_seconds * micro,
        sink_us_per_report=sink.cpu * micro,
        harness_of_machine=harness / seconds / machine.cores(),
        shares=_shares(load, seen, commits=committing / seconds),
        workers=len(workers),
        commits=round(commits),
        commit_ms=committing / max(commits, 1.0) * 1000,
        memory_mb=seen.memory_mb,
        resident_mb=seen.resident_mb,
        bytes_per_report=seen.grown / reports,
        ready_seconds=seen.ready_seconds,
        exit_status=seen.exit_status,
        lost=found.lost,
        repeats=found.repeats,
        misdirected=found.misdirected,
    )


def _shares(load: Load, seen: Observed, *, commits: float) -> Shares:
    """:param commits: how much of the time a commit was under way."""
    seconds = load.ended - load.began
    whole = seconds * machine.cores()
    store, *workers = used(seen.loaded.service, seen.before.service)
    (sink,) = used([seen.loaded.sink], [seen.before.sink])
    ours = store.cpu + sum(each.cpu for each in workers) + sink.cpu + load.cpu_seconds
    all_cores = seen.loaded.cores.busy_share(seen.before.cores)
    return Shares(
        store=store.cpu / seconds,
        store_wanted=store.wanted / seconds,
        worker=max((each.cpu for each in workers), default=0.0) / seconds,
        worker_wanted=max((each.wanted for each in workers), default=0.0) / seconds,
        load=load.cpu_seconds / seconds,
        sink=sink.cpu / seconds,
        all_cores=all_cores,
        others=max(0.0, all_cores - ours / whole),
        # A wait in a file system outside the kernel does not show in threads.
        disk=max(seen.disk_share, commits - store.wanted / seconds),
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that this share of the ordered values does not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
