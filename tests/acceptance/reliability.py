"""The fault loops whole: ``python -m tests.acceptance.reliability`` (about a quarter of an hour).

Runs what the suite runs in short form, prints a table, and writes it into docs/reliability.md.
``--only kill`` runs the cases whose name holds that, without writing.
"""

import argparse
import logging
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import structlog
from tests.acceptance import (
    test_crash_backlog,
    test_crash_before_record,
    test_crash_descriptors,
    test_crash_disk_full,
    test_crash_fsync,
    test_crash_kill,
    test_crash_power_cut,
    test_crash_schedule,
    test_crash_sigterm,
    test_crash_stopped,
)
from tests.acceptance.harness import ROOT

import statuspush
from statuspush.bench.machine import describe

DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- results: written by ./dev reliability -->", "<!-- end of results -->"


@dataclass(frozen=True)
class Case:
    """A loop at its full length."""

    fault: str
    name: str
    run: Callable[[Path], dict[str, Any]]
    waits: bool = False
    """It mostly waits, so it runs beside all others."""


def _schedule(stop: str) -> Callable[[Path], dict[str, Any]]:
    return lambda directory: test_crash_schedule.four_sends(
        directory, test_crash_schedule.STOPS[stop], interval=300, early=0.1, late=5
    )


CASES = (
    Case("13", "SIGTERM in each gap of 300 s", _schedule("SIGTERM"), waits=True),
    Case("13", "kill -9 in each gap of 300 s", _schedule("kill -9"), waits=True),
    Case("1", "kill -9 at random under load", lambda d: test_crash_kill.kill_loop(d, kills=200)),
    Case(
        "8",
        "a backlog of a million",
        lambda d: test_crash_backlog.pile_up(d, waiting=1_000_000, accounts=100, interval=30),
    ),
    Case(
        "2",
        "killed with the customer's answer unread",
        lambda d: test_crash_before_record.crash_loop(d, "unread", crashes=100),
    ),
    Case(
        "2",
        "killed with the answer judged, not written",
        lambda d: test_crash_before_record.crash_loop(d, "unwritten", crashes=100),
    ),
    Case(
        "4",
        "power cut, small commits",
        lambda d: test_crash_power_cut.cut_loop(d, cuts=120, seconds=8, restarts=5),
    ),
    Case(
        "4",
        "power cut, with checkpoints under load",
        lambda d: test_crash_power_cut.cut_loop(
            d, cuts=80, seconds=25, restarts=2, large=1500, seed=5
        ),
    ),
    Case(
        "4, 5",
        "fsync fails, restart, and later a power cut",
        lambda d: test_crash_power_cut.cut_loop(
            d, cuts=120, seconds=12, restarts=6, fsync_fails=True, seed=6
        ),
    ),
    Case(
        "5",
        "fsync fails, then kill -9",
        lambda d: test_crash_fsync.break_loop(d, signal.SIGKILL, rounds=10),
    ),
    Case(
        "5",
        "fsync fails, then SIGTERM",
        lambda d: test_crash_fsync.break_loop(d, signal.SIGTERM, rounds=5),
    ),
    Case("6", "disk full and freed", lambda d: test_crash_disk_full.fill_and_free(d, rounds=5)),
    Case(
        "7",
        "64 file descriptors",
        lambda d: test_crash_descriptors.exhaust(d, rounds=5, hold=5),
    ),
    Case(
        "12",
        "the wall clock moved by an hour",
        lambda d: test_crash_schedule.clock_moves(
            d, interval=10, moves=(3600, -3600, 86_400), late=1
        ),
    ),
    Case("44", "SIGTERM under load", lambda d: test_crash_sigterm.drain_loop(d, stops=20)),
    Case(
        "44",
        "SIGTERM, endpoints hang for 15 s",
        lambda d: test_crash_sigterm.hung_endpoints(d, endpoints=200, timeout=15),
    ),
    Case(
        "44",
        "SIGTERM, endpoints hang for 300 s",
        lambda d: test_crash_sigterm.hung_endpoints(d, endpoints=200, timeout=300),
    ),
    Case(
        "44",
        "SIGTERM twice",
        lambda d: test_crash_sigterm.hung_endpoints(d, endpoints=200, timeout=300, twice=True),
    ),
    Case(
        "-",
        "SIGSTOP and SIGCONT under load",
        lambda d: test_crash_stopped.stop_loop(d, stops=10, seconds=5),
    ),
)


@dataclass(frozen=True)
class Result:
    """What came of a case."""

    case: Case
    verdict: str
    figures: str
    seconds: float


def run(case: Case) -> Result:
    """Run a case in a directory of its own."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="statuspush-fault-", ignore_cleanup_errors=True) as at:
        try:
            figures = case.run(Path(at))
            verdict = "passed"
        except pytest.skip.Exception as reason:
            verdict, figures = "skipped", {"reason": reason}
        except (Exception, pytest.fail.Exception) as error:
            traceback.print_exc()
            verdict, figures = "FAILED", {"error": str(error).splitlines()[:1]}
    shown = "; ".join(
        f"{name} {value:,}" if isinstance(value, int | float) else f"{name} {value}"
        for name, value in figures.items()
    )
    return Result(case, verdict, shown, time.monotonic() - began)


def run_all(cases: list[Case], jobs: int) -> list[Result]:
    """Run the cases, so many side by side, telling of each that has ended."""
    results: dict[Case, Result] = {}

    def note(result: Result) -> None:
        results[result.case] = result
        print(
            f"[{len(results)}/{len(cases)}] {result.verdict:7} {result.seconds:5.0f} s  "
            f"fault {result.case.fault}: {result.case.name}\n        {result.figures}",
            flush=True,
        )

    waiting = [Thread(target=lambda c=case: note(run(c))) for case in cases if case.waits]
    for thread in waiting:
        thread.start()
    with ThreadPoolExecutor(jobs) as pool:
        running: list[Future[Result]] = [pool.submit(run, c) for c in cases if not c.waits]
        for future in as_completed(running):
            note(future.result())
    for thread in waiting:
        thread.join()
    return [results[case] for case in cases]


def section(results: list[Result]) -> str:
    """The results as a section of the document."""
    about = describe(Path(tempfile.gettempdir()))
    lines = [
        BEGIN,
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, statuspush {statuspush.__version__}, "
        + ", ".join(f"{name} {value}" for name, value in about.items())
        + ":",
        "",
        "| Fault | Loop | Result | Figures |",
        "|-|-|-|-|",
        *(
            f"| {result.case.fault} | {result.case.name} | {result.verdict} | {result.figures} |"
            for result in results
        ),
        "",
        END,
    ]
    return "\n".join(lines)


def write(results: list[Result]) -> None:
    """Put the results into the document, in place of the last ones."""
    text = DOCUMENT.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(before + section(results) + after, "utf-8")


def main() -> int:
    """Run what was asked for; 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose name holds this; writes nothing")
    parser.add_argument("--jobs", type=int, default=2, help="loops side by side")
    chosen = parser.parse_args()
    cases = [case for case in CASES if chosen.only in case.name]
    # The stores opened here tell what the last process left; the table is what counts.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    results = run_all(cases, chosen.jobs)
    if chosen.only == "":
        write(results)
        print(f"\nwritten to {DOCUMENT.relative_to(ROOT)}")
    return 1 if any(result.verdict == "FAILED" for result in results) else 0


if __name__ == "__main__":
    raise SystemExit(main())
