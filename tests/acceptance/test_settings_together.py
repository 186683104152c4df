"""People change settings of one account at the same moment, through two worker processes."""

import contextlib
import functools
import http.client
import json
import os
import signal
import threading

import pytest
from tests.acceptance.customers import Endpoint, answer, answering_by
from tests.acceptance.harness import TOKEN, reports
from tests.scaffolding import wait_for

ROUNDS = 40
PUSH = "/v1/accounts/acme/push"


class Person:
    """Somebody whose connection stays with one worker."""

    def __init__(self, service):
        self._connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)

    def ask(self, method, path, body=None, **headers):
        """The status, headers and document of an answer."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"} | headers
        self._connection.request(method, path, body and json.dumps(body), headers)
        reply = self._connection.getresponse()
        return reply.status, reply.headers, json.loads(reply.read())

    def change(self, **settings):
        status, _, document = self.ask("PATCH", PUSH, settings)
        assert status == 200, document
        return document

    def close(self):
        self._connection.close()


@contextlib.contextmanager
def stopped(process):
    """The process does nothing meanwhile."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@pytest.fixture
def service(start_service):
    service = start_service(workers="2")
    service.api("PUT", "/v1/accounts/acme", {"name": "ACME"})
    return service


@pytest.fixture
def people(service, closing):
    """Two people, each at another worker."""
    found = []
    for other in reversed(service.workers()):
        with stopped(other):  # so that only one accepts the connection
            person = Person(service)
            assert person.ask("GET", "/readyz")[0] == 200
        closing.callback(person.close)
        found.append(person)
    return found


def together(*calls):
    """Call all at the same moment; what they return."""
    results = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(number, call):
        barrier.wait()
        results[number] = call()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_no_change_is_lost(people):
    """Each changes another setting, forty times at the same moment."""
    one, other = people
    for number in range(1, ROUNDS + 1):
        together(
            functools.partial(one.change, max_reports=number),
            functools.partial(other.change, timeout_seconds=15 + number),
        )
        push = one.ask("GET", "/v1/accounts/acme")[2]["push"]
        assert (push["max_reports"], push["timeout_seconds"]) == (number, 15 + number)


def test_of_two_changes_on_one_revision_one_is_made(people):
    """The other learns that it came too late."""
    for number in range(1, ROUNDS + 1):
        tag = people[0].ask("GET", "/v1/accounts/acme")[1]["ETag"]
        changes = ({"max_reports": number}, {"timeout_seconds": 15 + number})
        answers = together(
            *(
                functools.partial(person.ask, "PATCH", PUSH, change, **{"If-Match": tag})
                for person, change in zip(people, changes, strict=True)
            )
        )
        assert sorted(status for status, _, _ in answers) == [200, 412]


def test_a_learned_size_survives_other_changes(service, people):
    """Through either worker; a new URL forgets it."""

    def choose(arrival):
        return answer() if len(arrival.body) <= 5_000 else answer(b"", "413 Too Large")

    with Endpoint(answering_by(choose)) as endpoint:
        one, other = people
        one.change(mode="on", url=endpoint.url)
        service.submit(reports("acme", "x", 100))
        wait_for("all sent", lambda: service.counts()["delivered"] == 100)
        learned = one.ask("GET", "/v1/accounts/acme")[2]["push"]["learned_max_bytes"]
        assert 0 < learned <= 5_000
        changes = together(
            lambda: one.change(timeout_seconds=20), lambda: other.change(max_in_flight=2)
        )
        assert [push["learned_max_bytes"] for push in changes] == [learned] * 2
        assert other.change(url=endpoint.url + "?")["learned_max_bytes"] is None
