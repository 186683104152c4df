"""Fault 44: SIGTERM drains under load, also with endpoints that hang; a second one hurries."""

import json
import signal
import time

from tests.acceptance.harness import Submitters, reconcile, reports, stage
from tests.scaffolding import wait_for


def drain_loop(directory, *, stops):
    """SIGTERM under load and start again, so often: no loss, no repeat, and in time."""
    accounts = ("quick", "slow", "flaky")
    longest = 0.0
    with stage(directory, accounts, retry_interval_seconds="0.2") as (service, customer):
        customer.behave("slow", wait=0.8)
        customer.behave("flaky", fails=0.1)
        load = Submitters(service, accounts, directory / "accepted.journal").start()
        for _ in range(stops):
            load.more(200)
            began = time.monotonic()
            assert service.terminate(30) == 0
            longest = max(longest, time.monotonic() - began)
            assert service.log("drained")[-1]["broken_off"] == 0
            service.start()
        load.stop()
        service.drained()
        found = reconcile(load.accepted, customer.arrivals()).check(repeated_at_most=0)
        assert not service.interrupted()
        assert load.refused[503] > 0  # those that came meanwhile were told to come again
    return {
        "stops": stops,
        "accepted": found.accepted,
        "lost": len(found.lost),
        "pushes repeated": found.repeated_pushes,
        "answered 503 meanwhile": load.refused[503],
        "longest drain (s)": round(longest, 2),
    }


def hung_endpoints(directory, *, endpoints, timeout, twice=False, **settings):
    """SIGTERM while so many endpoints hang, with a timeout that outlasts the drain or not."""
    accounts = [f"hung{number}" for number in range(endpoints)]
    push = {"connect_seconds": min(5, timeout), "timeout_seconds": timeout}
    outlasts = twice or timeout > 30
    with stage(directory, accounts, push=push, **settings) as (service, customer):
        customer.behave("*", hang=True)
        accepted = {}
        for account in accounts:
            made = reports(account, account, 3)
            service.submit(made)
            accepted.update((item["sid"], account) for item in made)
        wait_for("all are hanging", lambda: customer.count() == endpoints)
        began = time.monotonic()
        service.signal(signal.SIGTERM)
        wait_for("draining", lambda: service.ask("/readyz")[0] == 503)
        status, headers, body = service.ask(
            "/v1/reports", "POST", json.dumps(reports("hung0", "late", 1)).encode()
        )
        assert status == 503
        assert headers["Content-Type"] == "application/problem+json"
        assert int(headers["Retry-After"]) > 0
        assert "shutting down" in json.loads(body)["detail"]
        if twice:
            service.signal(signal.SIGTERM)
        assert service.ended(40) == 0
        seconds = time.monotonic() - began
        assert seconds < 30
        customer.behave("*")
        service.start()
        # What was broken off goes out at once and uncounted; what timed out waits for its retry.
        if outlasts:
            counts = service.drained()
            assert counts["delivered"] == len(accepted)
            reconcile(accepted, customer.arrivals()).check(repeated_at_most=0)
        else:
            assert service.counts()["waiting"] == len(accepted)
        assert not service.interrupted()  # they were recorded, not found
        first = [service.push(next(service.pushes(a))["id"])["attempts"][0] for a in accounts]
        broken_off = sum(attempt["outcome"] == "interrupted" for attempt in first)
        timed_out = sum(attempt["outcome"] == "timeout" for attempt in first)
        assert (broken_off, timed_out) == ((endpoints, 0) if outlasts else (0, endpoints))
    return {
        "hung endpoints": endpoints,
        "their timeout (s)": timeout,
        "timed out": timed_out,
        "broken off": broken_off,
        "lost": 0,
        "exit status": 0,
        "drain (s)": round(seconds, 2),
    }


def test_sigterm_under_load_loses_and_repeats_nothing(tmp_path):
    drain_loop(tmp_path, stops=2)


def test_sigterm_does_not_wait_for_endpoints_that_hang_longer_than_the_drain(tmp_path):
    figures = hung_endpoints(tmp_path, endpoints=30, timeout=60, drain_seconds="2")
    assert figures["drain (s)"] < 20


def test_sigterm_waits_for_sends_that_end_within_the_drain(tmp_path):
    hung_endpoints(tmp_path, endpoints=30, timeout=2)


def test_a_second_signal_breaks_off_what_is_open(tmp_path):
    figures = hung_endpoints(tmp_path, endpoints=30, timeout=60, twice=True)
    assert figures["drain (s)"] < 20


def test_sigint_ends_it_also_where_the_parent_had_it_ignored(start_service):
    """As for a process that a script started in the background."""
    service = start_service(prefix=("sh", "-c", 'trap "" INT; exec "$@"', "sh"))
    service.signal(signal.SIGINT)
    assert service.ended() == 0
