"""Fault 5: fsync fails: from then on nothing is acknowledged, until a restart."""

import json
import signal
import time

import pytest
from tests.acceptance.harness import Submitters, build_shim, reconcile, stage
from tests.scaffolding import wait_for

ACCOUNTS = ("a", "slow")


def break_loop(directory, stop, *, rounds):
    """Make fsync fail under load and look; restart; so often."""
    directory.mkdir(parents=True, exist_ok=True)
    failing = directory / "fsync-fails"
    environment = {
        "LD_PRELOAD": str(build_shim(directory)),
        "SHIM_DATABASE": str(directory / "statuspush.db"),
        "SHIM_EIO": str(failing),
    }
    late = 0
    # What is open can't be recorded any more, and a drain waits for it in vain.
    settings = {"drain_seconds": "2"}
    with stage(directory, ACCOUNTS, environment=environment, **settings) as (service, customer):
        customer.behave("slow", wait=0.1)
        load = Submitters(service, ACCOUNTS, directory / "accepted.journal", threads=2).start()
        for _ in range(rounds):
            load.more(300)
            failing.touch()
            wait_for("it has noticed", lambda: service.log("store is broken"))
            time.sleep(0.2)  # answers to what was on disk before are still on their way
            acknowledged = len(load.accepted)
            wait_for("not ready", lambda: service.ask("/readyz")[0] == 503)
            time.sleep(0.7)
            failing.unlink()  # a later fsync that succeeds proves nothing about the failed one
            time.sleep(0.7)
            late += len(load.accepted) - acknowledged
            status, headers, body = service.ask("/readyz")
            assert status == 503
            assert "restart" in json.loads(body)["detail"]
            assert int(headers["Retry-After"]) > 0
            assert service.ask("/healthz")[0] == 200
            service.signal(stop)
            service.ended(35)
            service.log_path.rename(directory / f"service-{time.time_ns()}.log")
            service.start()
        load.stop()
        service.drained()
        found = reconcile(load.accepted, customer.arrivals()).check(repeated_at_most=2 * rounds)
    assert late == 0
    return {
        "failures": rounds,
        "accepted": found.accepted,
        "acknowledged after the failure": late,
        "lost": len(found.lost),
        "pushes repeated": found.repeated_pushes,
    }


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM])
def test_after_a_failed_fsync_nothing_is_acknowledged_until_a_restart(tmp_path, stop):
    break_loop(tmp_path, stop, rounds=1)
