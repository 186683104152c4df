"""Fault 1: kill -9 at random under load; and while the service is starting."""

import random
import time
from collections import Counter

from tests.acceptance.harness import Submitters, kept_reports, reconcile, stage

ACCOUNTS = ("quick", "slow", "flaky", "patient")


def kill_loop(directory, *, kills, seed=1):
    """Kill the service so often, then let it finish, and compare the two journals."""
    chance = random.Random(seed)
    with stage(directory, ACCOUNTS, retry_interval_seconds="0.2") as (service, customer):
        customer.behave("slow", wait=0.15)
        customer.behave("flaky", fails=0.3)
        service.set_push("patient", max_in_flight=4)
        customer.behave("patient", wait=0.05)
        load = Submitters(service, ACCOUNTS, directory / "accepted.journal").start()
        while_starting = 0
        for _ in range(kills):
            time.sleep(chance.uniform(0.05, 0.8))
            service.kill()
            while chance.random() < 0.15:
                service.process = service.spawn()
                time.sleep(chance.uniform(0.3, 1.2))
                service.kill()
                while_starting += 1
            service.start()
        load.stop()
        service.drained(300)
        exhausted = kept_reports(service, ACCOUNTS, "exhausted")
        arrivals = list(customer.arrivals())
        found = reconcile(load.accepted, arrivals, exhausted)
        interrupted = _interrupted(service, Counter(arrival.id for arrival in arrivals))
        assert service.terminate() == 0

    found.check(repeated_at_most=interrupted.total())
    # Not only in the sum: a push comes again only if it was under way at a kill, once for each.
    for push, times in found.repeated.items():
        assert times <= interrupted[push], f"{push} repeated {times} times"
    return {
        "kills": kills + while_starting,
        "accepted": found.accepted,
        "delivered": found.delivered,
        "exhausted": len(exhausted),
        "lost": len(found.lost),
        "sends broken off by kills": interrupted.total(),
        "pushes repeated": found.repeated_pushes,
        "reports repeated": found.repeated_reports,
    }


def _interrupted(service, arrived):
    """For each push that came more than once: how often it was under way at a kill."""
    interrupted = Counter()
    for push in (push for push, times in arrived.items() if times > 1):
        attempts = service.push(push)["attempts"]
        broken_off = sum(a["outcome"] == "interrupted" for a in attempts)
        interrupted[push] = broken_off
        # The contract's four, and those that a kill took back before they could count.
        assert arrived[push] <= 4 + broken_off, f"{push} was sent {arrived[push]} times"
    return interrupted


def test_kill_9_at_random_under_load_loses_nothing(tmp_path):
    figures = kill_loop(tmp_path, kills=8)
    assert figures["accepted"] > 1000
