"""Fault 8: a great backlog is not held in memory, and all of it is sent in the end."""

import json
import time

from tests.acceptance.harness import free_port, kept_reports, reconcile, report, stage


def pile_up(directory, *, waiting, accounts, interval):
    """Let so many reports wait (one account has half of them), restart, and send them all.

    The one's endpoint is dead, the others are paused.
    """
    names = [f"a{number}" for number in range(accounts)]
    accepted = {}
    with stage(directory, names, retry_interval_seconds=str(interval)) as (service, customer):
        dead = f"http://127.0.0.1:{free_port()}/"
        service.set_push(names[0], url=dead)
        for name in names[1:]:
            service.set_push(name, mode="paused")
        began = time.monotonic()
        for start in range(0, waiting, 10_000):
            made = [
                report(names[0] if n % 2 else names[n // 2 % accounts], f"b-{n}")
                for n in range(start, min(start + 10_000, waiting))
            ]
            status, _, answer = service.ask("/v1/reports", "POST", json.dumps(made).encode())
            assert status == 202, answer
            accepted.update((item["sid"], item["account"]) for item in made)
        submitted = time.monotonic() - began
        counts = service.counts()
        assert counts["waiting"] + counts["sending"] + counts["exhausted"] == waiting
        assert counts["exhausted"] <= waiting / 20  # the dead one's few probes
        after_intake = service.memory_mb("VmHWM")
        assert service.terminate() == 0
        service.start()
        ready = service.ready_seconds
        after_start = service.memory_mb("VmHWM")
        began = time.monotonic()
        for name in names:
            service.set_push(name, mode="on", url=customer.url(name))
        service.drained(900, every=0.5)
        drained = time.monotonic() - began
        after_drain = service.memory_mb("VmHWM")
        exhausted = kept_reports(service, names[:1], "exhausted")
        found = reconcile(accepted, customer.arrivals(), exhausted).check(repeated_at_most=0)
    most = max(after_intake, after_start, after_drain)
    assert most < 512, f"{most:.0f} MB"
    return {
        "waiting": waiting,
        "accounts": accounts,
        "submitted in (s)": round(submitted, 1),
        "most memory while taken in (MB)": round(after_intake),
        "restart to ready (s)": round(ready, 2),
        "memory after the restart (MB)": round(after_start),
        "sent in (s)": round(drained, 1),
        "most memory while sent (MB)": round(after_drain),
        "exhausted meanwhile": len(exhausted),
        "lost": len(found.lost),
    }


def test_a_backlog_is_not_held_in_memory_and_is_sent_in_the_end(tmp_path):
    pile_up(tmp_path, waiting=150_000, accounts=20, interval=4)
