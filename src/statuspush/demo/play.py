"""The demo from the first scene to the summary."""

import asyncio
import signal
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

import httpx

from statuspush.demo.customers import TEMPERS, Customer
from statuspush.demo.journal import Journal, Settlement
from statuspush.demo.stage import Scene, Stage
from statuspush.launch import ServeProcess


@dataclass(frozen=True, slots=True)
class Options:
    """The user's options."""

    seconds: float | None
    rate: float
    retry_interval: float
    port: int
    directory: Path
    """For the database, the log and what customers keep."""


class Audience(Protocol):
    """Whoever watches, and decides what is shown and how."""

    every: float
    """Seconds between two looks."""

    def begin(self, url: str, token: str, directory: Path) -> None:
        """The service runs at this URL, with this operator token."""

    def look(self, journal: Journal, scene: Scene) -> None:
        """See how far it is."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the demo ended."""

    accounts: dict[str, Settlement]
    journal: Journal
    service_status: int | None
    """Exit status of the service after SIGTERM; None if it had to be killed."""

    @property
    def good(self) -> bool:
        """Nothing lost, nothing made up, and the service stopped as it should."""
        accounts = self.accounts.values()
        return self.service_status == 0 and not any(a.lost_count or a.strangers for a in accounts)


async def play(options: Options, audience: Audience | None = None) -> Ending:
    """Run the demo; the first Ctrl-C ends the stream, the second the wait for what is under way."""
    journal = Journal(
        (temper.account for temper in TEMPERS),
        timed=(temper.account for temper in TEMPERS if temper.well),
    )
    rng = Random()  # noqa: S311 - invented reports
    # Even short runs must see the dead customer recover.
    dead = min(15.0, options.seconds / 2) if options.seconds else 15.0
    stop, hurry = asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as stack:
        customers = [Customer(temper, journal, rng, options.directory, dead) for temper in TEMPERS]
        for customer in customers:
            stack.push_async_callback(customer.stop)
        service = ServeProcess(
            options.directory,
            {"retry_interval_seconds": f"{options.retry_interval:g}"},
            port=options.port,
        )
        starting = asyncio.create_task(asyncio.to_thread(service.start))
        stack.push_async_callback(_stop, service, starting)
        await asyncio.shield(starting)  # a thread is not cancelled
        for customer in customers:
            await customer.start()
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=service.url,
                headers={"Authorization": f"Bearer {service.token}"},
                timeout=30,
                trust_env=False,
            )
        )
        scene = Scene()
        stage = Stage(client, journal, scene, rng)
        await stage.open_accounts(customers)
        if audience is not None:
            audience.begin(service.url, service.token, options.directory)
        _on_interrupt(stop, hurry)
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(stage.watch())]
            if audience is not None:
                watching.append(tasks.create_task(_show(audience, journal, scene)))
            streaming = tasks.create_task(stage.stream_reports(options.rate, stop))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), options.seconds)
            stop.set()
            await streaming
            scene.phase = "no more reports; what is under way arrives"
            await stage.settle(min(10.0, 2 * options.retry_interval), hurry)
            accounts = {name: await _reconcile(name, stage, journal) for name in journal.entries}
            scene.phase = "stopping"
            for task in watching:
                task.cancel()
        status = await asyncio.to_thread(service.stop)
    return Ending(accounts, journal, status)


async def _stop(service: ServeProcess, starting: "asyncio.Task[ServeProcess]") -> None:
    await asyncio.gather(starting, return_exceptions=True)
    await asyncio.to_thread(service.stop)


async def _reconcile(name: str, stage: Stage, journal: Journal) -> Settlement:
    return journal.settle(name, await stage.ask(name, journal.unacknowledged(name)))


def _on_interrupt(stop: asyncio.Event, hurry: asyncio.Event) -> None:
    def interrupt() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)


async def _show(audience: Audience, journal: Journal, scene: Scene) -> None:
    """Keep the audience informed, until cancelled."""
    try:
        while True:
            await asyncio.sleep(audience.every)
            audience.look(journal, scene)
    finally:
        audience.look(journal, scene)
