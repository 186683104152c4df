"""CPU of each step of a report's way, measured step by step in one process.

The service's own parts do the work, one step at a time, so that the CPU time of the process
between two steps is that step's; threads are included. What is not in it: the two processes waking
each other, and what other processes (load, customer) take.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import uvloop
from rich.table import Table

from benchmarks import step_http
from benchmarks.benchmark import Benchmark, Run, Setup, kinds, of, spread, table
from benchmarks.step_link import Ends
from statuspush.bench.child import Child
from statuspush.bench.reports import Plan
from statuspush.clock import SteadyClock
from statuspush.core.ack import judge
from statuspush.core.batch import make_batch
from statuspush.core.contract import Mode
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.outcome import SendResult
from statuspush.core.report import read_submissions
from statuspush.launch import DATABASE
from statuspush.store.sqlite import SqliteStore
from statuspush.telemetry import Telemetry
from statuspush.transport import AddressGuard, PostRequest, Transport
from statuspush.worker.send import Send

WALL_US = 5.0
"""CPU µs a report at which one core is full at 200,000 reports a second."""

STEPS = (
    "HTTP in",
    "parse + validate",
    "batch + encode",
    "link to the store and back",
    "store append",
    "seal + sort",
    "claim",
    "link to the sender and back",
    "body build",
    "POST",
    "judge",
    "record",
)
_ZONE = ZoneInfo("Asia/Shanghai")
_ROUND = 64
_LEASE_MS = 360_000


@dataclass(frozen=True)
class Shape:
    """How reports come and go."""

    name: str
    accounts: int
    per_request: int
    at_once: int
    """Requests that are under way together, as many as the load generator has connections."""
    gathered: int
    """Requests after which everything that waits is pushed."""
    requests: int


SHAPES = (
    Shape("10 accounts, 500 a push", 10, 1000, 4, 5, 200),
    Shape("1,000 accounts, 50 a push", 1000, 1000, 4, 50, 200),
    Shape("single, 1 a push", 1000, 1, 64, 64, 70_400),
)


class Meter:
    """CPU seconds of this process, by step."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STEPS, 0.0)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """What is done meanwhile is of this step."""
        began = time.process_time()
        yield
        self.seconds[name] += time.process_time() - began


def measure(setup: Setup) -> Iterator[Run]:
    """Each shape in turn."""
    for turn in range(setup.runs):
        for shape in SHAPES:
            setup.tell(f"steps, {shape.name}, run {turn + 1}")
            requests = setup.scaled(shape.requests // shape.gathered) * shape.gathered
            folder = Path(tempfile.mkdtemp(prefix="statuspush-steps-", dir=setup.directory))
            try:
                meter = uvloop.run(_Way(shape, folder, requests).run())
            finally:
                shutil.rmtree(folder)
            reports = requests * shape.per_request
            yield {
                "round": turn,
                "shape": shape.name,
                "reports": reports,
                "us": {name: spent / reports * 1e6 for name, spent in meter.seconds.items()},
                "good": True,
            }


class _Way:
    """The way of all reports of a run."""

    def __init__(self, shape: Shape, folder: Path, requests: int) -> None:
        self._shape = shape
        self._folder = folder
        self._requests = requests
        self._meter = Meter()
        self._clock = SteadyClock()
        self._names = [f"customer-{n:04d}" for n in range(shape.accounts)]
        self._plan = Plan(self._names, shape.per_request, "new")
        self._ends = Ends()
        self._transport = Transport(guard=AddressGuard((ip_network("127.0.0.0/8"),)))
        self._sender = Send(
            self._transport,
            self._clock,
            Telemetry(),
            retry_interval_ms=300_000,
            slow_seconds=0.25,
        )

    async def run(self) -> Meter:
        shape = self._shape
        # Half the requests are enough here; the figure is made to count for all.
        some = max(1, self._requests // 2)
        spent = await step_http.measure(self._plan, some, shape.at_once, self._folder)
        self._meter.seconds["HTTP in"] = spent * self._requests / some
        store = SqliteStore.open(self._folder / DATABASE, self._clock.now())
        await self._ends.open()
        sink = Child("statuspush.bench.sink", str(self._folder / "journal"), log=self._folder / "l")
        try:
            port = int(sink.hear(20))
            for name in self._names:
                await store.put_account(name, name, b"", self._clock.now())
                changes = {"mode": Mode.ON, "url": f"http://127.0.0.1:{port}/{name}"}
                await store.change_push(name, changes, self._clock.now())
            for first in range(0, self._requests, shape.gathered):
                await self._gather(store, first)
                while await self._push(store):
                    pass
                with self._meter.step("seal + sort"):
                    while (await store.sweep(self._clock.now(), keep_from=0)).more:
                        pass
        finally:
            await self._transport.close()
            await self._ends.close()
            await store.close()
            sink.stop()
        return self._meter

    async def _gather(self, store: SqliteStore, first: int) -> None:
        """Some requests come in and are stored."""
        size = self._plan.per_request
        last = min(first + self._shape.gathered, self._requests)
        for start in range(first, last, self._shape.at_once):
            bodies = [
                f"[{','.join(self._plan.report(n) for n in range(r * size, (r + 1) * size))}]"
                for r in range(start, min(start + self._shape.at_once, last))
            ]
            encoded = [body.encode() for body in bodies]
            with self._meter.step("parse + validate"):
                read = [
                    read_submissions(body, VOICE_STATUS, ndjson=False, tz=_ZONE) for body in encoded
                ]
            with self._meter.step("batch + encode"):
                batches = [make_batch(submissions, VOICE_STATUS) for submissions in read]
            now = self._clock.now()
            with self._meter.step("link to the store and back"):
                await self._ends.append(batches)
            with self._meter.step("store append"):
                await store.append_reports(batches, now)

    async def _push(self, store: SqliteStore) -> int:
        """A round of pushes; returns how many there were."""
        meter, clock = self._meter, self._clock
        with meter.step("claim"):
            claims = await store.claim_pushes(
                clock.now(),
                limit=_ROUND,
                suspect_limit=_ROUND,
                lease_ms=_LEASE_MS,
                owner="benchmark",
            )
        if not claims:
            return 0
        with meter.step("body build"):
            requests: list[PostRequest] = [
                self._sender.request(c.settings, c.fragments, VOICE_STATUS, push=c.id, attempt=1)
                for c in claims
            ]
        with meter.step("POST"):
            results: list[SendResult] = await _all(map(self._transport.post, requests))
        now = clock.now()
        with meter.step("judge"):
            outcomes = [
                self._sender._recording(claim, VOICE_STATUS, judge(result, VOICE_STATUS), now)
                for claim, result in zip(claims, results, strict=True)
            ]
        with meter.step("link to the sender and back"):
            await self._ends.push(claims, outcomes)
        with meter.step("record"):
            written = await store.record_outcomes(outcomes, clock.now())
        assert all(written), "every claim was ours"
        return len(claims)


async def _all(work: Any) -> list[Any]:
    return list(await asyncio.gather(*_coroutines(work)))


def _coroutines(work: Any) -> Iterator[Coroutine[Any, Any, Any]]:
    yield from work


def tables(runs: Sequence[Run]) -> Iterator[Table]:
    """A table for each shape."""
    for shape in kinds(runs, "shape"):
        chosen = of(runs, shape=shape)
        made = table(f"{shape}: CPU µs a report", "step", "µs", "share", "of 5 µs")
        medians = step_medians(chosen)
        total = sum(medians.values())
        for step, median in medians.items():
            values = [run["us"][step] for run in chosen]
            made.add_row(
                step, spread(values, ".2f"), f"{median / total:.0%}", f"{median / WALL_US:.0%}"
            )
        made.add_row("all", f"{total:.2f}", "100%", f"{total / WALL_US:.0%}", style="bold")
        yield made


def step_medians(runs: Sequence[Run]) -> dict[str, float]:
    """The median µs of each step over the runs of a shape."""
    middle = len(runs) // 2
    return {step: sorted(run["us"][step] for run in runs)[middle] for step in STEPS}


BENCHMARK = Benchmark("steps", "CPU µs a report of each step, in one process.", measure, tables)
