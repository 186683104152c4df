"""Facts about the probes and the metrics."""

import asyncio

import pytest

from statuspush.core.outcome import Outcome
from statuspush.store.base import StoreUnavailable
from statuspush.web import operations_api


async def test_a_running_service_is_healthy(stranger):
    assert (await stranger.get("/healthz")).json() == {"status": "ok"}


async def test_it_is_healthy_even_while_shutting_down(stranger, outside):
    outside.draining = True
    assert (await stranger.get("/healthz")).status_code == 200


async def test_a_running_service_is_ready(stranger):
    assert (await stranger.get("/readyz")).json() == {"status": "ready"}


async def test_it_is_not_ready_while_shutting_down(stranger, outside):
    outside.draining = True
    answer = await stranger.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")


async def test_it_says_why_it_is_not_ready(stranger, outside):
    outside.not_ready = "sending has stopped"
    answer = await stranger.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "sending has stopped")


async def test_it_is_not_ready_when_a_commit_would_fail(stranger, store, monkeypatch):
    async def ping():
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(store, "ping", ping)
    assert (await stranger.get("/readyz")).status_code == 503


async def test_it_is_not_ready_when_the_store_hangs(stranger, store, monkeypatch):
    monkeypatch.setattr(operations_api, "PING_SECONDS", 0.01)
    monkeypatch.setattr(store, "ping", asyncio.Event().wait)
    assert (await stranger.get("/readyz")).status_code == 503


@pytest.fixture
def metric(stranger):
    """The value of a line of the metrics."""

    async def metric(name):
        lines = (await stranger.get("/metrics")).text.splitlines()
        (value,) = [line.split()[-1] for line in lines if line.startswith(name + " ")]
        return float(value)

    return metric


async def test_metrics_are_in_the_format_of_prometheus(stranger):
    answer = await stranger.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")


async def test_metrics_come_in_the_format_of_openmetrics_if_asked(stranger):
    answer = await stranger.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_what_waits_is_measured_at_each_scrape(metric, acme, submit, clock):
    await submit(3)
    clock.turn(seconds=12)
    assert await metric("statuspush_reports_waiting") == 3
    assert await metric("statuspush_oldest_waiting_seconds") == 12
    assert await metric("statuspush_reports_stored") == 3


async def test_nothing_that_waits_has_no_age(metric, acme, submit, customer, clock):
    await submit(3)
    clock.turn(seconds=12)
    assert await metric("statuspush_oldest_waiting_seconds") == 12
    await customer.answer(Outcome.ACKNOWLEDGED)
    clock.turn(seconds=1)
    assert await metric("statuspush_oldest_waiting_seconds") == 0


async def test_the_size_of_the_store_is_measured(metric):
    assert await metric("statuspush_store_bytes") > 0


async def test_metrics_are_given_also_when_the_store_is_in_trouble(
    metric, store, clock, monkeypatch
):
    async def figures():
        raise StoreUnavailable("disk full")

    assert await metric("statuspush_store_up") == 1
    monkeypatch.setattr(store, "figures", figures)
    clock.turn(seconds=1)
    assert await metric("statuspush_store_up") == 0


async def test_no_metric_names_an_account(stranger, acme, submit):
    await submit(1)
    assert "acme" not in (await stranger.get("/metrics")).text
