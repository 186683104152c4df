"""The process is stopped for seconds (SIGSTOP) under load and goes on: nothing lost or repeated."""

import signal
import time

from tests.acceptance.harness import Submitters, reconcile, stage

ACCOUNTS = ("quick", "slow")


def stop_loop(directory, *, stops, seconds):
    """Stop the service so often for so long; sends that are open meanwhile are answered."""
    with stage(directory, ACCOUNTS) as (service, customer):
        customer.behave("slow", wait=0.3)
        load = Submitters(service, ACCOUNTS, directory / "accepted.journal").start()
        for _ in range(stops):
            load.more(200)
            service.signal(signal.SIGSTOP)
            time.sleep(seconds)
            service.signal(signal.SIGCONT)
        load.stop()
        service.drained()
        found = reconcile(load.accepted, customer.arrivals()).check(repeated_at_most=0)
    return {
        "stops": stops,
        "seconds each": seconds,
        "accepted": found.accepted,
        "lost": len(found.lost),
        "pushes repeated": found.repeated_pushes,
    }


def test_a_process_that_was_stopped_goes_on(tmp_path):
    stop_loop(tmp_path, stops=1, seconds=3)
