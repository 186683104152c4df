"""One run of a baseline: enqueue, push, acknowledge; then every report is reconciled."""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.baselines import broker, queues, venvs
from benchmarks.baselines.processes import Program, exit_on_sigterm, running
from statuspush.bench.reconcile import reconcile
from statuspush.bench.reports import Plan

_PROGRAMS = Path(__file__).parent / "programs"
_CHECKOUT = Path(__file__).parents[2]
_CORES = len(os.sched_getaffinity(0))
_START_SECONDS = 60
_SLOWEST_PER_SECOND = 50
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Baseline:
    """How a baseline is started and watched."""

    name: str
    """What it is called on the command line and in tables."""
    library: str
    """Names its environment, its requirements and its publisher."""
    commands: tuple[tuple[str, ...], ...]
    """Programs of its environment that must run, workers first."""
    waits_in: str
    """The command of Redis in which a worker waits for tasks."""
    waiters: int
    """How many clients wait in it once all workers are ready."""
    done: Callable[[broker.Client], bool]
    """Whether everything enqueued is done."""

    @property
    def requirements(self) -> Path:
        """The exact versions of what is installed."""
        return _PROGRAMS / f"{self.library}-requirements.txt"


def _celery(pool: str, *, workers: int, concurrency: int) -> Baseline:
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    command = ("celery", "-A", "celery_tasks", "worker", "--loglevel", "WARNING", *quiet)
    commands = tuple(
        (*command, "--pool", pool, "--concurrency", str(concurrency), "-n", f"worker{n}@%h")
        for n in range(workers)
    )
    return Baseline(f"celery-{pool}", "celery", commands, "brpop", workers, queues.celery_done)


_TASKIQ = Baseline(
    "taskiq",
    "taskiq",
    (
        (
            *("taskiq", "worker", "taskiq_tasks:broker", "--log-level", "WARNING"),
            *("--workers", str(_CORES), "--max-async-tasks", "100"),
        ),
        ("taskiq", "scheduler", "taskiq_tasks:scheduler", "--log-level", "WARNING"),
    ),
    "xreadgroup",
    _CORES,
    queues.taskiq_done,
)

BASELINES = {
    baseline.name: baseline
    for baseline in (
        _celery("prefork", workers=1, concurrency=_CORES),
        # One interpreter runs one thread at a time: a worker for each core.
        _celery("threads", workers=_CORES, concurrency=100 // _CORES),
        _TASKIQ,
    )
}
"""What can be run."""


@dataclass(frozen=True)
class BaselineResult:
    """Figures of one run; CPU in seconds, from just before the first report to the end."""

    name: str
    reports: int
    seconds: float
    """From the first enqueue until all have arrived and the queue is empty."""
    reports_per_second: int
    enqueue_per_second: int
    cpu_workers: float
    cpu_broker: float
    cpu_publisher: float
    cpu_sink: float
    cpu_us_per_report: float
    """Of workers and broker together: the part that one service does in statuspush."""
    lost: int
    repeats: int
    misdirected: int


def run(
    name: str,
    *,
    reports: int,
    accounts: int,
    directory: Path | None = None,
    environments: Path = venvs.DEFAULT,
) -> BaselineResult:
    """One run in an empty directory below ``directory``; leaves nothing behind."""
    baseline = BASELINES[name]
    broker.version()  # says what is missing before anything is installed
    programs = venvs.prepared(baseline.library, baseline.requirements, environments)
    folder = Path(tempfile.mkdtemp(prefix="statuspush-baseline-", dir=directory)).absolute()
    try:
        with exit_on_sigterm():
            return _run(baseline, programs, folder, reports, accounts)
    finally:
        shutil.rmtree(folder)


def as_json(result: BaselineResult) -> dict[str, object]:
    """The figures as a mapping."""
    return asdict(result)


def _run(
    baseline: Baseline, programs: Path, folder: Path, reports: int, accounts: int
) -> BaselineResult:
    journal = folder / "sink.journal"
    names = [f"customer-{n:04d}" for n in range(accounts)]
    plan = Plan(names, per_request=1, tag="new")
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(_sink(journal, folder))
        orders = folder / "orders.jsonl"
        _write_orders(orders, plan, reports, f"http://127.0.0.1:{int(sink.hear(10))}")
        redis = stack.enter_context(broker.serving(folder))
        environment = {key: value for key, value in os.environ.items() if key[:6] != "PYTHON"}
        environment["BASELINE_REDIS_URL"] = redis.url

        def start(name: str, *words: str | Path, talks: bool = False) -> Program:
            return stack.enter_context(
                running(
                    name,
                    (programs / words[0], *words[1:]),
                    logs=folder,
                    cwd=_PROGRAMS,
                    environment=environment,
                    talks=talks,
                )
            )

        workers = [
            start(f"{baseline.name}-{n}", *words) for n, words in enumerate(baseline.commands)
        ]
        publish = f"{baseline.library}_publish.py"
        publisher = start("publisher", "python", publish, orders, talks=True)
        _until(
            lambda: queues.clients_in(redis.client, baseline.waits_in) >= baseline.waiters,
            workers,
            _START_SECONDS,
        )
        publisher.hear(_START_SECONDS)

        def cpu() -> list[float]:
            return [
                sum(worker.cpu_seconds() for worker in workers),
                redis.program.cpu_seconds(),
                sink.cpu_seconds(),
            ]

        limit = 60 + reports / _SLOWEST_PER_SECOND
        cpu_before = cpu()
        publisher.say("")
        enqueued = json.loads(publisher.hear(limit))
        ended = _until(lambda: baseline.done(redis.client), workers, limit)
        used = [now - then for now, then in zip(cpu(), cpu_before, strict=True)]
    found = reconcile(journal, plan, reports)
    seconds = max(ended, found.last_arrival) - enqueued["began"]
    return BaselineResult(
        name=baseline.name,
        reports=reports,
        seconds=round(seconds, 3),
        reports_per_second=round(reports / seconds),
        enqueue_per_second=round(reports / (enqueued["ended"] - enqueued["began"])),
        cpu_workers=round(used[0], 2),
        cpu_broker=round(used[1], 2),
        cpu_publisher=round(enqueued["cpu"], 2),
        cpu_sink=round(used[2], 2),
        cpu_us_per_report=round((used[0] + used[1]) / reports * 1e6, 1),
        lost=found.lost,
        repeats=found.repeats,
        misdirected=found.misdirected,
    )


@contextlib.contextmanager
def _sink(journal: Path, folder: Path) -> Iterator[Program]:
    command = (sys.executable, "-m", "statuspush.bench.sink", str(journal))
    with running("sink", command, logs=folder, cwd=_CHECKOUT, talks=True) as sink:
        yield sink


def _write_orders(path: Path, plan: Plan, reports: int, customers: str) -> None:
    """A line [URL, report] for each task, the reports being those of the other benchmarks."""
    with path.open("w") as file:
        for n in range(reports):
            report = json.loads(plan.report(n))
            account = report.pop("account")
            file.write(json.dumps([f"{customers}/{account}", report]) + "\n")


def _until(true: Callable[[], bool], programs: list[Program], seconds: float) -> float:
    """Wait until something is true three times in a row; return when it was first."""
    deadline = time.monotonic() + seconds
    since: float | None = None
    times = 0
    while True:
        now = time.time()
        if true():
            # Celery's task is nowhere for a moment on its way from the queue to the worker.
            since, times = since or now, times + 1
            if times == 3:
                return since
        else:
            since, times = None, 0
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {seconds:g} s: {programs[0].name}")
        for program in programs:
            program.check()
        time.sleep(_POLL_SECONDS)
