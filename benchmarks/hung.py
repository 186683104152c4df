"""A thousand hung customers beside healthy ones: what the healthy notice of them.

The hung ones take connections and never answer. Single reports for healthy customers come at
random times all the while. Three seconds into a run each hung customer gets its first report, all
at once (the onset), and further ones follow; sends time out and are repeated until the end.
"""

import contextlib
import resource
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.table import Table

from benchmarks import steady
from benchmarks.benchmark import Benchmark, Run, Setup, of, percentiles, rows_of_medians
from statuspush.bench.load_generator import Load
from statuspush.bench.reports import Plan
from statuspush.bench.rig import Rig, running

HUNG = 1000
_HEALTHY = [f"customer-{n:03d}" for n in range(100)]
_REPORTS_PER_SECOND = 200
_SECONDS = 15.0
_ONSET_SECONDS = 3.0
_ONSET_LASTS = 2.0
_AGAIN_SECONDS = 2.0
"""After so long each hung customer gets another report."""
_TIMEOUT_SECONDS = 5.0
_RETRY = {"retry_interval_seconds": "1"}
_CALLERS = 8


def measure(setup: Setup) -> Iterator[Run]:
    """With and without in turn."""
    count = setup.scaled(HUNG, least=20)
    seconds = setup.seconds(_SECONDS, least=8.0)
    for turn in range(setup.runs):
        for hung in (count, 0):
            setup.tell(f"{hung:,} hung customers, run {turn + 1}")
            folder = Path(tempfile.mkdtemp(prefix="statuspush-hung-", dir=setup.directory))
            try:
                yield {"round": turn, "hung": hung, **_run(folder, hung, seconds)}
            finally:
                shutil.rmtree(folder)


def _run(folder: Path, hung: int, seconds: float) -> Run:
    names = [f"hung-{n:04d}" for n in range(hung)]
    plan = Plan(_HEALTHY, 1, "new")
    sends: list[float] = []
    with _hung_endpoint() as port, running(folder, _HEALTHY, _RETRY) as rig:
        _open_hung(rig, names, port)
        rig.wait_still()

        def hang() -> None:
            began, turn = time.monotonic() + _ONSET_SECONDS, 0
            while names and time.monotonic() < began + seconds - _ONSET_SECONDS - 1:
                time.sleep(max(0.0, began + turn * _AGAIN_SECONDS - time.monotonic()))
                body = steady.bodies(Plan(names, len(names), f"h{turn}"), 1)
                threading.Thread(target=steady.post, args=(rig.port, body, 1)).start()
                time.sleep(0.5)
                sends.append(_in_flight(rig))
                turn += 1

        load = steady.submit(rig, plan, rate=_REPORTS_PER_SECOND, seconds=seconds, meanwhile=hang)
        time.sleep(1.0)  # what the healthy have not got by now counts as lost
    arrived = steady.arrivals(rig.journal, plan, load)
    return {
        **_figures(load, arrived),
        "sends_in_flight": max(sends, default=0.0),
        "lost": load.requests - len(arrived),
        # Sends to hung customers may have to be broken off at the end, which is an exit of 0 too.
        "good": len(arrived) == load.requests and rig.exit_status == 0,
    }


def _figures(load: Load, arrived: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Milliseconds to the arrival: of all from the onset on, in the onset, and afterwards."""
    hanging = _ONSET_SECONDS + _ONSET_LASTS
    found: dict[str, float] = {}
    for name, begin, end in (
        ("all", _ONSET_SECONDS, float("inf")),
        ("onset", _ONSET_SECONDS, hanging),
        ("hanging", hanging, float("inf")),
    ):
        chosen = [took * 1000 for at, took in arrived if begin <= at < end]
        found[f"{name}_p50_ms"], found[f"{name}_p99_ms"], found[f"{name}_max_ms"] = percentiles(
            chosen, 0.5, 0.99, 1.0
        )
    (found["accept_p99_ms"],) = percentiles([took * 1000 for took in load.took], 0.99)
    return found


@contextlib.contextmanager
def _hung_endpoint() -> Iterator[int]:
    """A port whose connections are taken, and nobody reads them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        held: list[socket.socket] = []
        stop = threading.Event()
        listener.settimeout(0.2)

        def take() -> None:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    held.append(listener.accept()[0])

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            stop.set()
            thread.join()
            for connection in held:
                connection.close()


def _open_hung(rig: Rig, names: Sequence[str], port: int) -> None:
    def open_one(name: str) -> None:
        rig.api("PUT", f"/v1/accounts/{name}", {"name": name})
        push = {
            "mode": "on",
            "url": f"http://127.0.0.1:{port}/{name}",
            "timeout_seconds": _TIMEOUT_SECONDS,
        }
        rig.api("PATCH", f"/v1/accounts/{name}/push", push)

    with ThreadPoolExecutor(_CALLERS) as pool:
        list(pool.map(open_one, names))


def _in_flight(rig: Rig) -> float:
    return rig.metrics().get("statuspush_sends_in_flight", 0.0)


_ROWS = (
    *(
        (f"{label}: {name}, ms", f"{prefix}_{key}_ms", ",.1f")
        for prefix, label in (
            ("all", "from the onset on"),
            ("onset", "in its first two seconds"),
            ("hanging", "afterwards"),
        )
        for key, name in (("p50", "p50"), ("p99", "p99"), ("max", "most"))
    ),
    ("accept p99, ms", "accept_p99_ms", ",.1f"),
    ("sends in flight, most", "sends_in_flight", ",.0f"),
    ("lost", "lost", ".0f"),
)


def tables(runs: Sequence[Run]) -> Iterator[Table]:
    """For people."""
    most = max(run["hung"] for run in runs)
    groups = {f"{most:,} hung": of(runs, hung=most), "none": of(runs, hung=0)}
    title = f"submission to arrival at healthy customers, {_REPORTS_PER_SECOND} reports a second"
    yield rows_of_medians(title, groups, _ROWS)


BENCHMARK = Benchmark("hung", "A thousand hung customers beside healthy ones.", measure, tables)
