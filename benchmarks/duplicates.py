"""Duplicates: what was submitted is submitted again, whole, also after a restart.

Every answer is checked: nothing may be accepted twice, at any size of the file.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.table import Table

from benchmarks.benchmark import Benchmark, Run, Setup, kinds, of, rows_of_medians
from benchmarks.prefill import stored_report
from benchmarks.steady import Posted, bodies, post
from statuspush.bench.reports import Plan
from statuspush.bench.rig import running
from statuspush.bench.trial import EVEN

STORED = (0, 5_000_000, 10_000_000)
_NAMES = EVEN.names
_REQUESTS = 250
_OLD_REPORTS = 100_000
_PER_REQUEST = 1000


def measure(setup: Setup) -> Iterator[Run]:
    """The runs, sizes in turn."""
    files = setup.files(_NAMES)
    requests = setup.scaled(_REQUESTS, least=5)
    for turn in range(setup.runs):
        for size in [setup.scaled(size) if size else 0 for size in STORED]:
            setup.tell(f"duplicates, {size:,} stored, run {turn + 1}")
            with files.folder(size) as folder:
                yield {"round": turn, "stored": size, **_run(folder, size, requests, turn)}


def _run(folder: Path, stored: int, requests: int, turn: int) -> Run:
    new = bodies(Plan(_NAMES, _PER_REQUEST, f"d{turn}"), requests)
    old = _old_bodies(stored, turn)
    with running(folder, _NAMES) as rig:
        first = post(rig.port, new)
        again = post(rig.port, new)
        known = post(rig.port, old)
    with running(folder, []) as rig:  # they are there
        restarted = post(rig.port, [*new, *old])
    repeated = (again, known, restarted)
    wanted = len(new) * _PER_REQUEST
    accepted = sum(each.accepted for each in repeated)
    counted = sum(each.duplicates for each in repeated)
    return {
        "first_per_second": _rate(first),
        "again_per_second": _rate(again),
        "old_per_second": _rate(known),
        "restarted_per_second": _rate(restarted),
        "repeated": counted,
        "accepted_twice": accepted,
        "good": not accepted and first.accepted == wanted and rig.exit_status == 0,
    }


def _old_bodies(stored: int, seed: int) -> list[bytes]:
    """Requests with reports from all over the file."""
    if not stored:
        return []
    count = min(stored, _OLD_REPORTS) // _PER_REQUEST * _PER_REQUEST
    numbers = random.Random(seed).sample(range(stored), count)
    return [
        msgspec.json.encode(
            [stored_report(_NAMES, n) for n in numbers[start : start + _PER_REQUEST]]
        )
        for start in range(0, count, _PER_REQUEST)
    ]


def _rate(posted: Posted) -> float:
    return (posted.accepted + posted.duplicates) / posted.seconds


_ROWS = (
    ("new reports a second", "first_per_second", ",.0f"),
    ("the same again, a second", "again_per_second", ",.0f"),
    ("from all over the file, a second", "old_per_second", ",.0f"),
    ("both after a restart, a second", "restarted_per_second", ",.0f"),
    ("repeated reports", "repeated", ",.0f"),
    ("accepted twice", "accepted_twice", ".0f"),
)


def tables(runs: Sequence[Run]) -> Iterator[Table]:
    """For people."""
    groups = {f"{size:,} stored": of(runs, stored=size) for size in kinds(runs, "stored")}
    yield rows_of_medians("wholly repeated submissions, 1,000 a request", groups, _ROWS)


BENCHMARK = Benchmark(
    "duplicates", "Wholly repeated submissions, also after a restart.", measure, tables
)
