"""Encoding and decoding with validation: microseconds a report, 500 at a time, in one process."""

import time
from collections.abc import Callable, Iterator, Sequence
from zoneinfo import ZoneInfo

from rich.table import Table

from benchmarks.benchmark import Benchmark, Run, Setup, rows_of_medians
from statuspush.bench.reports import Plan
from statuspush.core.batch import make_batch
from statuspush.core.contract import Wire
from statuspush.core.decode import decode
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.report import read_submissions
from statuspush.core.wire import body

_REPORTS = 500
_TIMES = 201
_ZONE = ZoneInfo("Asia/Shanghai")


def measure(setup: Setup) -> Iterator[Run]:
    """The runs; each figure is the median of many repetitions."""
    plan = Plan(["customer-0000"], _REPORTS, "new")
    submitted = f"[{','.join(plan.report(n) for n in range(_REPORTS))}]".encode()
    reports = read_submissions(submitted, VOICE_STATUS, ndjson=False, tz=_ZONE)
    held = b"\n".join(VOICE_STATUS.fragments(reports))
    pushed = body(held, Wire.ROBUST, VOICE_STATUS)
    assert [r["sid"] for r in decode(pushed, VOICE_STATUS)] == [r.sid for r in reports]
    ways: dict[str, Callable[[], object]] = {
        "encode": lambda: body(
            b"\n".join(VOICE_STATUS.fragments(reports)), Wire.ROBUST, VOICE_STATUS
        ),
        "encode_stored": lambda: VOICE_STATUS.fragments(reports),
        "encode_form": lambda: body(held, Wire.ROBUST, VOICE_STATUS),
        "decode": lambda: read_submissions(submitted, VOICE_STATUS, ndjson=False, tz=_ZONE),
        "decode_form": lambda: decode(pushed, VOICE_STATUS),
        "batch": lambda: make_batch(reports, VOICE_STATUS),
    }
    times = setup.scaled(_TIMES, least=21)
    for turn in range(setup.runs):
        yield {
            "round": turn,
            **{name: _microseconds(way, times) for name, way in ways.items()},
            "good": True,
        }


def _microseconds(way: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        way()
        took.append(time.perf_counter() - began)
    return sorted(took)[times // 2] / _REPORTS * 1e6


_ROWS = (
    ("encode: report to form body", "encode", ".2f"),
    ("  to the stored form, when accepted", "encode_stored", ".2f"),
    ("  from the stored form, when sent", "encode_form", ".2f"),
    ("decode with validation: a submission", "decode", ".2f"),
    ("decode a push's form, as a customer", "decode_form", ".2f"),
    ("stored form and fingerprints (what accepting does)", "batch", ".2f"),
)


def tables(runs: Sequence[Run]) -> Iterator[Table]:
    """For people."""
    yield rows_of_medians("µs a report, 500 at a time", {"": runs}, _ROWS)


BENCHMARK = Benchmark("codec", "Encode, and decode with validation.", measure, tables)
