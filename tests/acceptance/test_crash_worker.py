"""Worker processes die or hang; the process that owns the store goes on, or takes them along."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

from tests.acceptance.harness import Service, Submitters, kept_reports, reconcile, stage
from tests.scaffolding import wait_for

ACCOUNTS = ("quick", "slow", "flaky")


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def other_worker(service, dead):
    """Wait until the service answers through a worker that isn't one of those."""
    wait_for("another worker", lambda: set(service.workers()) - dead)

    def answers():
        try:
            return service.ask("/readyz", timeout=2)[0] == 200
        except OSError:
            return False

    wait_for("an answer", answers)


def kill_workers(directory, *, kills, seed=1, **settings):
    """Kill workers so often under load, and compare what was accepted with what arrived."""
    chance = random.Random(seed)
    with stage(directory, ACCOUNTS, retry_interval_seconds="0.2", **settings) as (
        service,
        customer,
    ):
        customer.behave("slow", wait=0.1)
        customer.behave("flaky", fails=0.3)
        owner = service.pid
        load = Submitters(service, ACCOUNTS, directory / "accepted.journal").start()
        for _ in range(kills):
            time.sleep(chance.uniform(0.3, 1.2))
            victim = chance.choice(service.workers())
            os.kill(victim, signal.SIGKILL)
            other_worker(service, {victim})
        load.stop()
        service.drained(300)
        assert service.pid == owner
        exhausted = kept_reports(service, ACCOUNTS, "exhausted")
        arrivals = list(customer.arrivals())
        found = reconcile(load.accepted, arrivals, exhausted)
        sent = Counter(arrival.id for arrival in arrivals)
        for push, times in found.repeated.items():
            attempts = service.push(push)["attempts"]
            broken_off = sum(a["outcome"] == "interrupted" for a in attempts)
            assert times <= broken_off, f"{push} repeated {times} times"
            assert sent[push] <= 4 + broken_off
        found.check()
        assert service.terminate() == 0
    return {"kills": kills, "accepted": found.accepted, "lost": len(found.lost)}


def test_kill_9_of_workers_under_load_loses_nothing(tmp_path):
    figures = kill_workers(tmp_path, kills=5)
    assert figures["accepted"] > 500


def test_one_of_two_workers_goes_on_while_the_other_is_replaced(tmp_path):
    figures = kill_workers(tmp_path, kills=3, workers="2")
    assert figures["accepted"] > 300


def test_no_worker_outlives_the_process_that_owns_the_store(start_service):
    service = start_service(workers="2")
    workers = service.workers()
    assert len(workers) == 2
    service.kill()
    wait_for("the end of the workers", lambda: not any(map(is_alive, workers)), seconds=2)


def test_the_workers_do_not_mind_the_terminals_interrupt(start_service):
    """A terminal sends SIGINT to the whole process group, a service manager SIGTERM."""
    service = start_service()
    for worker in service.workers():
        os.kill(worker, signal.SIGINT)
        os.kill(worker, signal.SIGTERM)
    assert service.ask("/readyz")[0] == 200
    assert service.terminate() == 0


def test_a_killed_worker_is_counted_and_no_counter_goes_back(start_service):
    service = start_service()
    service.ask("/v1/reports", "POST", b"not json")

    def metric(name):
        lines = service.ask("/metrics")[2].decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(name))

    malformed = 'statuspush_submissions_refused_total{reason="malformed"}'
    assert metric(malformed) == 1
    (worker,) = service.workers()
    os.kill(worker, signal.SIGKILL)
    other_worker(service, {worker})
    assert metric("statuspush_worker_deaths_total") == 1
    assert metric(malformed) == 1


def test_the_service_ends_when_no_worker_can_start(closing, tmp_path):
    """Better an end that a service manager sees than a port on which nobody answers."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'statuspush.worker.main' in sys.orig_argv: os._exit(3)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    service = Service(tmp_path, environment={"PYTHONPATH": path})
    closing.callback(service.stop)
    service.process = service.spawn()
    assert service.ended(20) == 1
    assert service.log("workers die before they are ready")
