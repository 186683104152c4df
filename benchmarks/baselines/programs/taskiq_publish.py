"""Enqueue every order with taskiq, many at a time on one event loop."""

import asyncio

import uvloop
from publisher import measured, orders
from taskiq_tasks import broker, push

_AT_A_TIME = 50


async def _publish() -> None:
    waiting = iter(orders())

    async def enqueue() -> None:
        for url, report in waiting:
            await push.kiq(url, report)

    await broker.startup()
    with measured():
        await asyncio.gather(*(enqueue() for _ in range(_AT_A_TIME)))
    await broker.shutdown()


uvloop.run(_publish())
