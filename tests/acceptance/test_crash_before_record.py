"""Fault 2: killed after the customer has acknowledged, before that is on disk."""

from http.client import HTTPException

import pytest
from tests.acceptance.harness import build_shim, reconcile, reports, stage


def crash_loop(directory, how, *, crashes):
    """Crash so often between answer and record; each time exactly that push comes once more.

    ``how``: ``unread``: the customer stops the process, answers, and kills it; ``unwritten``:
    the process has judged the answer and dies on its way into the write-ahead log.
    """
    directory.mkdir(parents=True, exist_ok=True)
    armed = directory / "die-at-write"
    environment = {}
    if how == "unwritten":
        environment = {
            "LD_PRELOAD": str(build_shim(directory)),
            "SHIM_DATABASE": str(directory / "statuspush.db"),
            "SHIM_DIE": str(armed),
        }
    accepted = {}
    with stage(directory, ["a", "b"], environment=environment) as (service, customer):
        for crash in range(crashes):
            seen = customer.count()
            if how == "unread":
                customer.behave("a", kill=service.pid)
            else:
                customer.behave("a", touch=str(armed))
            made = reports("a", f"crash{crash}", 3)
            answered = True
            try:
                assert service.submit(made) == {"accepted": 3, "duplicates": 0}
            except (OSError, HTTPException):
                answered = False  # a worker may push what is on disk before another has said so
            accepted.update((item["sid"], "a") for item in made)
            assert service.ended() == -9
            customer.behave("a")
            service.start()
            if not answered:
                assert service.submit(made) == {"accepted": 0, "duplicates": 3}
            service.drained()
            first, again = list(customer.arrivals())[seen:]
            assert first.acknowledged
            assert again.acknowledged
            assert (again.id, again.attempt) == (first.id, 1)
            assert again.reports == first.reports
            # A push of before the crash is not disturbed, and the next one goes out as ever.
            service.submit(reports("b", f"calm{crash}", 1))
            accepted[f"calm{crash}-0"] = "b"
            service.drained()
            outcomes = [a["outcome"] for a in service.push(first.id)["attempts"]]
            assert outcomes == ["interrupted", "acknowledged"]
        found = reconcile(accepted, customer.arrivals()).check()
        assert set(found.repeated.values()) == {1}
        assert found.repeated_pushes == crashes
    return {
        "crashes": crashes,
        "lost": len(found.lost),
        "pushes repeated": found.repeated_pushes,
        "repeats of each": 1,
    }


@pytest.mark.parametrize("how", ["unread", "unwritten"])
def test_a_crash_between_answer_and_record_repeats_that_push_once(tmp_path, how):
    crash_loop(tmp_path, how, crashes=5 if how == "unread" else 3)
