"""Many accounts: throughput over 20,000 of very different size, and what 100,000 cost.

The sizes follow Zipf's law: the n-th account has a share of reports proportional to 1/n. What
100,000 accounts cost is looked at with a delivered report each and nothing to do.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from benchmarks.benchmark import Benchmark, Run, Setup, of, rows_of_medians
from benchmarks.prefill import fill
from statuspush.bench import trial
from statuspush.bench.rig import running
from statuspush.core.contract import Mode
from statuspush.launch import DATABASE
from statuspush.store.sqlite import SqliteStore

ZIPF = 20_000
"""Accounts that reports are submitted for."""
IDLE = 100_000
"""Accounts that are only there."""
_REQUESTS = 500
_DEAD_URL = "http://127.0.0.1:1/{}"
_TOGETHER = 1000
"""Settings changed in one commit."""


def measure(setup: Setup) -> Iterator[Run]:
    """The runs of both."""
    for turn in range(setup.runs):
        folder = Path(tempfile.mkdtemp(prefix="statuspush-accounts-", dir=setup.directory))
        try:
            setup.tell(f"accounts, run {turn + 1}: {setup.scaled(ZIPF, least=100):,} of any size")
            (folder / "zipf").mkdir()
            yield {"round": turn, "kind": "zipf", **_throughput(folder / "zipf", setup)}
            setup.tell(f"accounts, run {turn + 1}: {setup.scaled(IDLE, least=100):,} of them")
            (folder / "idle").mkdir()
            yield {"round": turn, "kind": "idle", **_idle(folder / "idle", setup)}
        finally:
            shutil.rmtree(folder)


def _throughput(folder: Path, setup: Setup) -> Run:
    accounts, requests = setup.scaled(ZIPF, least=100), setup.scaled(_REQUESTS, least=20)
    found = trial.run(replace(trial.ZIPF, accounts=accounts, requests=requests), folder)
    return {**found.as_json(), "accounts": accounts, "good": found.good and not found.repeats}


def _idle(folder: Path, setup: Setup) -> Run:
    names = [f"customer-{n:06d}" for n in range(setup.scaled(IDLE, least=100))]
    asyncio.run(_make(folder / DATABASE, names))
    with running(folder, []) as rig:
        memory, first = rig.memory_mb(), rig.service.ready_seconds
    with running(folder, [], kill=True) as rig:
        restarted, ready = rig.memory_mb(), rig.service.ready_seconds
    with running(folder, []) as rig:
        after_kill = rig.service.ready_seconds
    return {
        "accounts": len(names),
        "memory_mb": max(memory, restarted),
        "ready_seconds": max(first, ready),
        "ready_after_kill_seconds": after_kill,
        "good": rig.exit_status == 0,
    }


async def _make(database: Path, names: Sequence[str]) -> None:
    """A store with these accounts, each with a report of yesterday and switched on."""
    await fill(database, names, len(names))
    now = int(time.time() * 1000)
    store = SqliteStore.open(database, now)
    for start in range(0, len(names), _TOGETHER):
        await asyncio.gather(
            *(
                store.change_push(name, {"mode": Mode.ON, "url": _DEAD_URL.format(name)}, now)
                for name in names[start : start + _TOGETHER]
            )
        )
    await store.close()


_RATES = (
    ("reports/s", "reports_per_second", ",.0f"),
    ("CPU µs per report", "cpu_us_per_report", ",.1f"),
    ("reports per push", "reports_per_push", ",.1f"),
    ("accept p99, ms", "accept_ms_p99", ",.0f"),
    ("memory, all processes (PSS), MB", "memory_mb", ",.0f"),
)
_COSTS = (
    ("memory, all processes (PSS), MB", "memory_mb", ",.0f"),
    ("restart to ready, s", "ready_seconds", ".2f"),
    ("… after kill -9, s", "ready_after_kill_seconds", ".2f"),
)


def tables(runs: Sequence[Run]) -> Iterator[Table]:
    """A table of each."""
    zipf, idle = of(runs, kind="zipf"), of(runs, kind="idle")
    yield rows_of_medians(
        "Sizes by Zipf's law, 1,000 reports per request", {f"{zipf[0]['accounts']:,}": zipf}, _RATES
    )
    yield rows_of_medians("Accounts with nothing to do", {f"{idle[0]['accounts']:,}": idle}, _COSTS)


BENCHMARK = Benchmark(
    "accounts",
    "20,000 accounts of very different size; memory and restart with 100,000.",
    measure,
    tables,
)
