"""Real worker processes, started and replaced by the pool."""

import asyncio
import contextlib
import os
import signal
import socket

import pytest

from statuspush.config import Settings
from statuspush.dispatcher import worker_pool as pool_module
from statuspush.dispatcher.spawn import spawn
from statuspush.dispatcher.worker_pool import WorkerPool
from statuspush.link.messages import SetUp

SETUP = SetUp(Settings(), workers=1, start_ns=0, token_hash=b"", trouble=None)


@contextlib.asynccontextmanager
async def running(workers=1, setup=lambda: SETUP, spawn=spawn):
    """A pool whose workers have nothing to ask, and queues of those that came and went."""
    joined, left = asyncio.Queue(), asyncio.Queue()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        pool = WorkerPool(
            setup,
            [spawn(listener) for _ in range(workers)],
            lambda: spawn(listener),
            {},
            receive=lambda worker, frame: None,
            joined=joined.put_nowait,
            left=left.put_nowait,
        )
        await pool.start()
        watching = asyncio.create_task(pool.run())
        try:
            yield pool, joined, left, watching
        finally:
            await pool.stop()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def test_a_worker_joins_when_it_serves():
    async with running(workers=2) as (pool, joined, _, _):
        first, second = await joined.get(), await joined.get()
        assert {first, second} == set(pool.ready)


async def test_stopped_workers_end_by_themselves():
    async with running() as (_, joined, left, _):
        worker = await joined.get()
    assert worker.process.poll() == 0
    assert left.get_nowait() is worker


async def test_a_dead_worker_leaves_and_another_joins():
    async with running() as (_, joined, left, _):
        worker = await joined.get()
        worker.process.kill()
        assert await left.get() is worker
        assert await joined.get() is not worker


async def test_a_hung_worker_is_ended_and_replaced(monkeypatch):
    monkeypatch.setattr(pool_module, "_BEAT_SECONDS", 0.05)
    monkeypatch.setattr(pool_module, "_SILENT_BEATS", 10)
    async with running() as (_, joined, left, _):
        worker = await joined.get()
        os.kill(worker.process.pid, signal.SIGSTOP)
        assert await left.get() is worker
        assert await joined.get() is not worker


async def test_a_worker_that_answers_is_left_in_peace(monkeypatch):
    monkeypatch.setattr(pool_module, "_BEAT_SECONDS", 0.02)
    monkeypatch.setattr(pool_module, "_SILENT_BEATS", 5)
    async with running() as (_, joined, left, _):
        await joined.get()
        await asyncio.sleep(0.5)
        assert left.empty()


async def test_the_pool_gives_up_when_workers_die_before_they_are_ready(monkeypatch):
    monkeypatch.setattr(pool_module, "_PAUSE_SECONDS", 0.0)
    async with running(setup=lambda: "not what a worker expects") as (_, joined, _, watching):
        async with asyncio.timeout(30):
            await watching
        assert joined.empty()


async def test_while_one_serves_the_pool_outlives_those_that_die_before_they_are_ready(monkeypatch):
    monkeypatch.setattr(pool_module, "_PAUSE_SECONDS", 0.0)
    setups = iter([SETUP, *["not what a worker expects"] * 5])
    async with running(2, setup=lambda: next(setups, SETUP)) as (_, joined, left, watching):
        await joined.get()
        await joined.get()
        assert left.empty()
        assert not watching.done()


async def test_a_worker_that_served_is_replaced_however_many_others_failed(monkeypatch):
    monkeypatch.setattr(pool_module, "_PAUSE_SECONDS", 0.0)
    bad, failed = 0, asyncio.Event()

    def setup():
        nonlocal bad
        if not bad:
            return SETUP
        bad -= 1
        if not bad:
            failed.set()
        return "not what a worker expects"

    async with running(2, setup=setup) as (_, joined, _, watching):
        first, second = await joined.get(), await joined.get()
        bad = 5
        second.process.kill()
        await failed.wait()
        first.process.kill()
        async with asyncio.timeout(30):
            assert await joined.get() not in {first, second}
        assert not watching.done()


async def test_a_spawn_that_fails_is_repeated(monkeypatch):
    monkeypatch.setattr(pool_module, "_PAUSE_SECONDS", 0.0)
    failing = 0

    def spawn_or_fail(listener):
        nonlocal failing
        if failing:
            failing -= 1
            raise BlockingIOError("Resource temporarily unavailable")
        return spawn(listener)

    async with running(2, spawn=spawn_or_fail) as (_, joined, _, watching):
        first, second = await joined.get(), await joined.get()
        failing = 5
        first.process.kill()
        assert await joined.get() not in {first, second}
        assert failing == 0
        assert not watching.done()


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Deaths are logged as errors, which is meant here."""
    caplog.set_level("CRITICAL")
