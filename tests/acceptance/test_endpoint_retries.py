"""Four sends, then exhausted; what waits meanwhile; and what a person may ask for."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from tests.acceptance.customers import (
    Arrival,
    Endpoint,
    answer,
    answering,
    answering_by,
    ask,
    attempted,
    in_state,
    metric,
    running,
    send_one,
    silent,
)
from tests.acceptance.harness import Service, report, reports
from tests.scaffolding import wait_for

BAD = answer(b"no", "500 Oops")
INTERVAL = 0.3


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


def test_four_sends_then_exhausted(service):
    """The same bytes four times, an interval after the end of each failure, then never again."""
    with Endpoint(answering(BAD)) as endpoint:
        service.account("four", endpoint.url)
        service.submit(reports("four", "x", 3))
        (push,) = in_state(service, "four", "exhausted")
        time.sleep(3 * INTERVAL)
        arrivals = endpoint.arrivals
        assert [a.headers["x-push-attempt"] for a in arrivals] == ["1", "2", "3", "4"]
        assert {a.headers["webhook-id"] for a in arrivals} == {push["id"]}
        assert len({a.body for a in arrivals}) == 1
        gaps = [after.at - before.at for before, after in pairwise(arrivals)]
        assert min(gaps) >= INTERVAL - 0.005
        shown = service.push(push["id"])
        assert [a["outcome"] for a in shown["attempts"]] == ["http_error"] * 4
        assert shown["due_at"] is None
        account = service.api("GET", "/v1/accounts/four")
        assert account["counts"]["pushes"]["exhausted"] == 1
        assert account["counts"]["reports"]["exhausted"] == 3
        assert account["health"]["consecutive_failures"] == 4
        (found,) = service.api("GET", "/v1/reports?account=four&sid=x-1")["items"]
        assert found["state"] == "exhausted"


def test_the_interval_begins_at_the_end_of_the_failed_send(service):
    """A send that hangs for half a second is repeated an interval after it was given up."""
    with Endpoint(silent) as endpoint:
        service.account("slow", endpoint.url, connect_seconds=0.5, timeout_seconds=0.5)
        send_one(service, "slow")
        first, second = endpoint.wait_for(2)
        assert second.at - first.at >= 0.5 + INTERVAL - 0.005
        service.set_push("slow", mode="off")


def test_new_reports_gather_behind_the_waiting_retry(service):
    """While it fails, nothing new is sent; when the retry succeeds, all that gathered goes."""
    with Endpoint(answering(BAD, BAD, answer())) as endpoint:
        service.account("gather", endpoint.url)
        send_one(service, "gather", "x-0")
        endpoint.wait_for(1)
        for number in range(1, 21):
            send_one(service, "gather", f"x-{number}")
        delivered = in_state(service, "gather", "delivered", 2)
        assert [a.sids for a in endpoint.arrivals] == [
            *[["x-0"]] * 3,
            [f"x-{number}" for number in range(1, 21)],
        ]
        assert [push["attempts"] for push in delivered] == [1, 3]


def test_new_reports_gather_until_the_retry_is_exhausted(service):
    """Then one push of what gathered is the probe."""
    with Endpoint(answering(BAD, BAD, BAD, BAD, answer())) as endpoint:
        service.account("probe", endpoint.url)
        send_one(service, "probe", "x-0")
        endpoint.wait_for(1)
        service.submit(reports("probe", "x", 700, start=1))
        in_state(service, "probe", "exhausted")
        in_state(service, "probe", "delivered", 2)
        sent = [len(a.sids) for a in endpoint.arrivals]
        assert sent == [1, 1, 1, 1, 500, 200]
        came = [sid for a in endpoint.arrivals[4:] for sid in a.sids]
        assert came == [f"x-{n}" for n in range(1, 701)]


def test_redrive(service):
    """Of a push and of an account: new pushes over the same reports, one at a time, once."""
    with Endpoint(answering(*[BAD] * 8, answer())) as endpoint:
        service.account("again", endpoint.url)
        service.submit(reports("again", "x", 3))
        (first,) = in_state(service, "again", "exhausted")

        redriven = ask(service, "POST", f"/v1/pushes/{first['id']}/redrive")
        assert redriven.status == 202
        assert (redriven.json["pushes"], redriven.json["reports"]) == (1, 3)
        refused = ask(service, "POST", f"/v1/pushes/{first['id']}/redrive", language="zh")
        assert refused.status == 409
        assert refused.is_problem
        second = in_state(service, "again", "exhausted", 2)[0]
        assert second["id"] == redriven.json["ids"][0]
        assert second["redrive_of"] == first["id"]
        assert second["attempts"] == 4
        assert len({a.body for a in endpoint.wait_for(8)}) == 1
        assert len({a.headers["webhook-id"] for a in endpoint.arrivals}) == 2

        redriven = ask(service, "POST", "/v1/accounts/again/redrive", {"state": "exhausted"})
        assert redriven.status == 202
        (delivered,) = in_state(service, "again", "delivered")
        assert delivered["id"] in redriven.json["ids"]
        assert redriven.json["reports"] == 3, "the same reports are under way once"
        time.sleep(2 * INTERVAL)
        assert len(endpoint.arrivals) == 9
        (found,) = service.api("GET", "/v1/reports?account=again&sid=x-2")["items"]
        assert found["state"] == "delivered"
        assert len(found["pushes"]) == 3
        nothing = ask(service, "POST", "/v1/accounts/again/redrive")
        assert nothing.json["pushes"] == 0, "what a redrive has delivered is not sent again"


def test_a_redrive_asked_for_many_times_at_once_is_one_send(service):
    """Single flight: one of the calls gets through, the others meet a conflict."""
    hold = threading.Event()

    def held(arrival: Arrival) -> bytes:
        if arrival.headers["webhook-id"] != first:
            hold.wait(10)
            return answer()
        return BAD

    first = ""
    with Endpoint(answering_by(held)) as endpoint:
        service.account("twice", "http://127.0.0.1:9/")
        send_one(service, "twice")
        (exhausted,) = in_state(service, "twice", "exhausted")
        first = exhausted["id"]
        service.set_push("twice", url=endpoint.url)
        with ThreadPoolExecutor(8) as callers:
            answers = list(
                callers.map(
                    lambda _: ask(service, "POST", f"/v1/pushes/{first}/redrive").status, range(8)
                )
            )
        assert sorted(answers) == [202, *[409] * 7]
        endpoint.wait_for(1)
        assert ask(service, "POST", f"/v1/pushes/{first}/redrive").status == 409
        hold.set()
        in_state(service, "twice", "delivered")
        assert len(endpoint.arrivals) == 1


def test_off_cancels_what_waits(service):
    """Nothing of it is sent, also not after it is switched on again; a redrive sends it."""
    with Endpoint(answering(BAD, answer())) as endpoint:
        service.account("off", endpoint.url)
        send_one(service, "off", "x-0")
        attempted(service, "off")
        send_one(service, "off", "x-1")
        service.set_push("off", mode="off")
        in_state(service, "off", "cancelled", 2)
        service.set_push("off", mode="on")
        send_one(service, "off", "x-2")
        in_state(service, "off", "delivered")
        time.sleep(2 * INTERVAL)
        assert [a.sids for a in endpoint.arrivals] == [["x-0"], ["x-2"]]
        redriven = ask(service, "POST", "/v1/accounts/off/redrive", {"state": "cancelled"})
        assert redriven.json["reports"] == 2
        in_state(service, "off", "delivered", 2)
        assert [a.sids for a in endpoint.arrivals[2:]] == [["x-0", "x-1"]], "neighbours go together"


def test_off_while_a_send_is_under_way(service):
    """Its failure cancels it; no retry follows."""
    with Endpoint(silent) as endpoint:
        service.account("off-2", endpoint.url, connect_seconds=0.5, timeout_seconds=0.7)
        send_one(service, "off-2")
        endpoint.wait_for(1)
        service.set_push("off-2", mode="off")
        (cancelled,) = in_state(service, "off-2", "cancelled")
        assert cancelled["attempts"] == 1
        time.sleep(2 * INTERVAL)
        assert len(endpoint.arrivals) == 1


def test_paused_keeps_what_waits(service):
    """Nothing is sent while it is paused; afterwards everything, in order."""
    with Endpoint(answering(BAD, answer())) as endpoint:
        service.account("pause", endpoint.url)
        send_one(service, "pause", "x-0")
        attempted(service, "pause")
        service.set_push("pause", mode="paused")
        service.submit(reports("pause", "x", 5, start=1))
        time.sleep(3 * INTERVAL)
        assert len(endpoint.arrivals) == 1
        account = service.api("GET", "/v1/accounts/pause")
        assert account["waiting_reports"] == 6
        assert account["oldest_waiting_age_seconds"] > 0
        service.set_push("pause", mode="on")
        in_state(service, "pause", "delivered", 2)
        assert [a.sids for a in endpoint.arrivals[1:]] == [["x-0"], [f"x-{n}" for n in range(1, 6)]]


def test_a_changed_url_holds_for_pushes_that_wait(service):
    """So do the wire form, the headers and the secret."""
    secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
    with Endpoint(answering(BAD)) as old, Endpoint(answering(answer())) as new:
        service.account("moved", old.url)
        send_one(service, "moved", "x-3")
        attempted(service, "moved")
        service.set_push(
            "moved", url=new.url, wire="double", headers={"X-Customer": "7"}, secret=secret
        )
        in_state(service, "moved", "delivered")
        (arrival,) = new.arrivals
        assert len(old.arrivals) == 1
        assert arrival.headers["webhook-id"] == old.arrivals[0].headers["webhook-id"]
        assert arrival.headers["x-push-attempt"] == "2"
        assert arrival.headers["x-customer"] == "7"
        assert arrival.body.startswith(b"voice_status=%255B%257B%2522sid")
        standardwebhooks = pytest.importorskip("standardwebhooks")
        # Its verification decodes JSON, which a form is not; the signature is checked before.
        with pytest.raises(ValueError, match="Expecting value"):
            standardwebhooks.Webhook(secret).verify(arrival.body, arrival.headers)
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(secret).verify(arrival.body + b" ", arrival.headers)


# -- many at once --


def create(service: Service, names: list[str], url: str, **push: object) -> None:
    """Create accounts, side by side."""
    with ThreadPoolExecutor(16) as callers:
        list(callers.map(lambda name: service.account(name, f"{url}/{name}", **push), names))


class Gate:
    """Counts how many pushes are being answered at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.fail = True
        self._lock = threading.Lock()

    def __call__(self, arrival: Arrival) -> bytes:
        if self.fail:
            return BAD
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05)
        with self._lock:
            self.now -= 1
        return answer()


def test_two_thousand_retries_due_at_once(tmp_path):
    """They are due together after a standstill: capped, each sent once, none left behind."""
    count, cap = 2000, 40
    gate = Gate()
    names = [f"a{number}" for number in range(count)]
    with Endpoint(answering_by(gate)) as endpoint:
        settings = {"retry_interval_seconds": "2", "max_suspect_sends": str(cap)}
        with running(tmp_path, **settings) as service:
            create(service, names, f"http://127.0.0.1:{endpoint.port}")
            service.submit([report(name, f"x-{n}") for n, name in enumerate(names)])
            wait_for("all have failed", lambda: metric(service, FAILURES) >= count)
            # Everything falls due while the service is down.
            assert service.terminate() == 0
            time.sleep(2.1)
            before = len(endpoint.arrivals)
            gate.fail = False
            began = time.time()
            service.start()
            assert service.drained(90, every=0.5)["delivered"] == count
        retries = endpoint.arrivals[before:]
        assert len(retries) == count
        assert len({a.path for a in retries}) == count
        took = max(a.at for a in retries) - began
        print(f"{count} retries due at once: at most {gate.most} open, last after {took:.1f} s")
        assert cap / 2 <= gate.most <= cap
        assert took < 60


FAILURES = 'statuspush_attempts_total{outcome="http_error"}'


def test_random_answers_converge(tmp_path):
    """Whatever customers answer, every report ends acknowledged or exhausted, and rightly so."""
    chance = random.Random(20260304)
    answers = [
        *[answer(b"SUCCESS")] * 3,
        answer(b"0"),
        answer(b'"SUCCESS"'),
        answer(b""),
        BAD,
        answer(b"busy", "503 Busy"),
        answer(b"", "302 Found", "Location: /"),
        answer(b"", "413 Too Large"),
        answer(b"x" * 500),
        b"rubbish\r\n\r\n",
    ]
    good = set(answers[:4])
    lock = threading.Lock()
    acknowledged: set[str] = set()
    sends: dict[str, int] = {}

    def choose(arrival: Arrival) -> bytes:
        with lock:
            chosen = chance.choice(answers)
            sends[arrival.headers["webhook-id"]] = sends.get(arrival.headers["webhook-id"], 0) + 1
            if chosen in good:
                acknowledged.update(arrival.sids)
            return chosen

    accounts = [f"r{number}" for number in range(20)]
    with Endpoint(answering_by(choose)) as endpoint:
        with running(tmp_path, retry_interval_seconds="0.05") as service:
            create(service, accounts, f"http://127.0.0.1:{endpoint.port}", max_in_flight=3)
            for number in range(60):
                service.submit([report(name, f"{name}-{number}") for name in accounts])
                time.sleep(0.02)
            counts = service.drained(90)
            every = {f"{name}-{number}" for name in accounts for number in range(60)}
            assert counts["delivered"] + counts["exhausted"] == len(every)
            assert counts["delivered"] == len(acknowledged)
            exhausted = {
                item["sid"]
                for name in accounts
                for push in service.pushes(name, "exhausted")
                for item in service.push(push["id"])["reports"]
            }
            assert exhausted == every - acknowledged
            pushes = [push for name in accounts for push in service.pushes(name)]
            assert {push["id"]: push["attempts"] for push in pushes} == sends
            for push in pushes:
                # Four sends count; a halving after 413 begins a smaller push that counts anew.
                sizes = Counter(
                    attempt["reports"]
                    for attempt in service.push(push["id"])["attempts"]
                    if attempt["outcome"] != "too_large" or attempt["reports"] == 1
                )
                assert max(sizes.values(), default=0) <= 4
