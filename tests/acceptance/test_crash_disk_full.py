"""Fault 6: the disk is full: nothing more is acknowledged, and it heals by itself."""

import contextlib
import json
import os
import time

from tests.acceptance.harness import Submitters, reconcile, reports, small_disk, stage
from tests.scaffolding import wait_for

ACCOUNTS = ("a", "slow")


def fill_and_free(directory, *, rounds):
    """Fill the disk under load and free it again, so often; the process is the same throughout."""
    healed = []
    with small_disk(directory, "16m") as disk:
        database = disk / "statuspush.db"
        with stage(directory, ACCOUNTS, database=f"sqlite:///{database}") as (service, customer):
            customer.behave("slow", wait=0.1)
            pid = service.pid
            load = Submitters(
                service, ACCOUNTS, directory / "accepted.journal", batch=(1, 20), pause=0.1
            ).start()
            for _ in range(rounds):
                load.more(1)
                ballast = disk / "ballast"
                with ballast.open("wb") as file:
                    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
                    file.write(bytes(max(0, free - 300_000)))
                _, headers, body = wait_for("disk full", lambda: _not_ready(service))
                assert headers["Content-Type"] == "application/problem+json"
                assert int(headers["Retry-After"]) > 0
                assert "written" in json.loads(body)["detail"]
                _refused(service)
                before = len(load.accepted)
                time.sleep(2)
                assert service.ask("/healthz")[0] == 200
                assert len(load.accepted) - before < 200  # some small ones still found room
                ballast.unlink()
                freed = time.monotonic()
                wait_for("healed", lambda: service.ask("/readyz")[0] == 200)
                load.more(1)
                healed.append(time.monotonic() - freed)
            load.stop()
            service.drained()
            found = reconcile(load.accepted, customer.arrivals()).check(repeated_at_most=0)
            assert service.pid == pid
            assert service.running
            assert load.refused[503] > 0
            assert load.refused[0] == 0  # every one was answered
    assert max(healed) < 30
    return {
        "times full": rounds,
        "accepted": found.accepted,
        "lost": len(found.lost),
        "pushes repeated": found.repeated_pushes,
        "answered 503": load.refused[503],
        "healed after at most (s)": round(max(healed), 2),
    }


def _not_ready(service):
    answer = service.ask("/readyz")
    return answer if answer[0] == 503 else None


def _refused(service):
    """A submission that doesn't fit on the disk is answered with a problem that says when."""
    status, headers, body = service.ask(
        "/v1/reports", "POST", json.dumps(reports("a", "large", 5000)).encode()
    )
    assert status == 503
    assert headers["Content-Type"] == "application/problem+json"
    assert int(headers["Retry-After"]) > 0
    assert json.loads(body)["status"] == 503


def test_a_full_disk_stops_intake_and_heals_by_itself(tmp_path):
    fill_and_free(tmp_path, rounds=2)


def test_a_start_on_a_full_disk_is_refused_in_plain_words(tmp_path):
    with small_disk(tmp_path, "8m") as disk:
        with stage(tmp_path, ["a"], database=f"sqlite:///{disk}/statuspush.db") as (
            service,
            customer,
        ):
            customer.behave("a", hang=True)
            service.submit(reports("a", "r", 50))
            wait_for("under way", lambda: customer.count() == 1)
            ballast = disk / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            service.kill()
            customer.behave("a")
            assert service.refused() == 1
            said = service.log_path.read_text()
            assert "database or disk is full" in said
            assert "Traceback" not in said
            ballast.unlink()
            service.start()
            assert service.drained()["delivered"] == 50
