"""A steady load beside which something else is done: requests at random times, at one rate."""

import http.client
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from json import loads
from pathlib import Path

from statuspush.bench.load_generator import Load, Order
from statuspush.bench.load_process import prepared
from statuspush.bench.reports import Plan
from statuspush.bench.rig import TOKEN, Rig
from statuspush.bench.sink import SinkJournal
from statuspush.core.decode import decode
from statuspush.core.kinds import VOICE_STATUS

_CONNECTIONS = 16
_POLL_SECONDS = 0.05


def submit(
    rig: Rig,
    plan: Plan,
    *,
    rate: float,
    seconds: float,
    meanwhile: Callable[[], None] = lambda: None,
    before: Callable[[], None] = lambda: None,
) -> Load:
    """Submit a plan's first requests, ``rate`` a second on average, for so many seconds.

    ``before`` is called when the requests are made, ``meanwhile`` when the load begins.
    """
    order = Order(
        port=rig.port,
        token=TOKEN,
        accounts=list(plan.accounts),
        per_request=plan.per_request,
        tag=plan.tag,
        connections=_CONNECTIONS,
        requests=max(1, round(rate * seconds)),
        rate=rate,
    )
    with prepared(order, rig.directory) as begin, ThreadPoolExecutor(1) as pool:
        before()
        load = pool.submit(begin)
        meanwhile()
        return load.result()


def wait_delivered(rig: Rig, reports: int, seconds: float) -> bool:
    """Wait until so many reports are recorded as acknowledged; False if they are not in time."""
    deadline = time.monotonic() + seconds
    while rig.metrics().get("statuspush_reports_acknowledged_total", 0.0) < reports:
        if time.monotonic() > deadline:
            return False
        rig.service.check()
        time.sleep(_POLL_SECONDS)
    return True


def arrivals(journal: Path, plan: Plan, load: Load) -> list[tuple[float, float]]:
    """(seconds from the begin of the load to sending, from sending to its first arrival)."""
    first: dict[int, float] = {}
    for at, _, body in SinkJournal.read(journal):
        for report in decode(body, VOICE_STATUS):
            number = plan.number(str(report["sid"]))
            if number is not None:
                first.setdefault(number, at)
    return [
        (sent - load.began, at - sent)
        for number, at in first.items()
        if (request := number // plan.per_request) < load.requests
        for sent in (load.sent[request],)
    ]


@dataclass(frozen=True)
class Posted:
    """What became of bodies that were submitted one after the other."""

    accepted: int
    duplicates: int
    seconds: float


def post(port: int, bodies: Sequence[bytes], connections: int = 4) -> Posted:
    """Submit request bodies over some connections, each as fast as it is answered."""

    def some(mine: Sequence[bytes]) -> tuple[int, int]:
        accepted = duplicates = 0
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        with closing(connection):
            for body in mine:
                connection.request("POST", "/v1/reports", body, headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != http.client.ACCEPTED:
                    raise RuntimeError(f"answered {answer.status}: {text[:200]!r}")
                counts = loads(text)
                accepted += counts["accepted"]
                duplicates += counts["duplicates"]
        return accepted, duplicates

    with ThreadPoolExecutor(connections) as pool:
        began = time.perf_counter()
        shares = [bodies[start::connections] for start in range(connections)]
        counts = list(pool.map(some, shares))
        seconds = time.perf_counter() - began
    return Posted(sum(c[0] for c in counts), sum(c[1] for c in counts), seconds)


def bodies(plan: Plan, requests: int) -> list[bytes]:
    """The bodies of a plan's first requests."""
    size = plan.per_request
    return [
        b"[%b]" % ",".join(plan.report(n) for n in range(start, start + size)).encode()
        for start in range(0, requests * size, size)
    ]
