"""Fault 7: no file descriptors left: connections are shed, nothing falls over, nothing is lost."""

import contextlib
import socket
import time

from tests.acceptance.harness import Submitters, reconcile, stage
from tests.scaffolding import wait_for

DESCRIPTORS = 64
ACCOUNTS = tuple(f"a{number}" for number in range(60))


def exhaust(directory, *, rounds, hold):
    """Take all descriptors by idle connections to the service and by customers that are slow."""
    with stage(
        directory,
        ACCOUNTS,
        prefix=("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"),
        retry_interval_seconds="1",
    ) as (service, customer):
        pid = service.pid
        customer.behave("*", wait=0.4)
        load = Submitters(
            service, ACCOUNTS, directory / "accepted.journal", threads=2, pause=0.2
        ).start()
        load.more(1)
        recovered = []
        for _ in range(rounds):
            with contextlib.ExitStack() as idle:
                for _ in range(150):
                    with contextlib.suppress(OSError):
                        idle.enter_context(
                            socket.create_connection(("127.0.0.1", service.port), timeout=2)
                        )
                time.sleep(hold)
                assert service.running
            freed = time.monotonic()
            wait_for("ready", lambda: service.ask("/readyz", timeout=5)[0] == 200)
            load.more(1)
            recovered.append(time.monotonic() - freed)
        customer.behave("*")
        load.stop()
        service.drained()
        found = reconcile(load.accepted, customer.arrivals()).check(repeated_at_most=0)
        assert service.pid == pid
        assert service.running
        counted, most = _attempts(service)
        assert not counted, counted  # our own want of descriptors is no failure of a customer
        assert not service.log("Traceback")
        assert service.terminate() == 0
    assert most < 50 * rounds * (hold + 2)
    return {
        "rounds": rounds,
        "accepted": found.accepted,
        "lost": len(found.lost),
        "pushes repeated": found.repeated_pushes,
        "crashes": 0,
        "recovered after at most (s)": round(max(recovered), 2),
        "most attempts of one push broken off because descriptors ran out": most,
    }


def _attempts(service):
    """Attempts that were counted against customers, and the most that were broken off."""
    counted = set()
    most = 0
    for account in ACCOUNTS:
        for listed in service.pushes(account):
            if listed["attempts"] > 1:
                outcomes = [a["outcome"] for a in service.push(listed["id"])["attempts"]]
                most = max(most, outcomes.count("interrupted"))
                counted.update(o for o in outcomes if o not in ("interrupted", "acknowledged"))
    return counted, most


def test_without_descriptors_connections_are_shed_and_nothing_is_lost(tmp_path):
    exhaust(tmp_path, rounds=1, hold=2)
