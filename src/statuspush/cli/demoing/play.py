"""The demo from the first scene to the reckoning."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx
from rich.console import Console
from rich.live import Live

from statuspush.cli.demoing import view
from statuspush.cli.demoing.child import ChildService
from statuspush.cli.demoing.customers import TEMPERS, Customer
from statuspush.cli.demoing.journal import Account, Journal
from statuspush.cli.demoing.stage import Progress, Stage


@dataclass(frozen=True, slots=True)
class Options:
    """What the person asked for."""

    seconds: float | None
    rate: float
    retry_interval: float
    port: int
    directory: Path
    live: bool
    """Draw a live table; else print a line a second."""
    quiet: bool
    """Print nothing before the end (``--json``)."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the demo ended."""

    accounts: dict[str, Account]
    journal: Journal
    service_status: int | None
    """Exit status of the service after SIGTERM; None if it had to be killed."""

    @property
    def good(self) -> bool:
        """Nothing lost, nothing made up, and the service stopped as it should."""
        accounts = self.accounts.values()
        return self.service_status == 0 and not any(a.lost_count or a.strangers for a in accounts)


async def play(options: Options) -> Ending:
    """Run the demo; the first Ctrl-C ends its stream, the second its patience."""
    journal = Journal(
        (temper.account for temper in TEMPERS),
        timed=(temper.account for temper in TEMPERS if temper.well),
    )
    rng = Random()  # noqa: S311 - invented reports
    # Short runs must see the dead customer rise too.
    dead = min(15.0, options.seconds / 2) if options.seconds else 15.0
    stop, hurry = asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as stack:
        customers = [Customer(temper, journal, rng, options.directory, dead) for temper in TEMPERS]
        for customer in customers:
            stack.push_async_callback(customer.stop)
        child = ChildService(
            options.directory, port=options.port, retry_interval=options.retry_interval
        )
        await stack.enter_async_context(child)
        for customer in customers:
            await customer.start()
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=child.url,
                headers={"Authorization": f"Bearer {child.token}"},
                timeout=30,
                trust_env=False,
            )
        )
        progress = Progress()
        stage = Stage(client, journal, progress, rng)
        await stage.open_accounts(customers)
        _announce(options, child)
        _on_interrupt(stop, hurry)
        async with asyncio.TaskGroup() as tasks:
            shown = tasks.create_task(_show(options, journal, progress))
            watching = tasks.create_task(stage.watch())
            streaming = tasks.create_task(stage.stream_reports(options.rate, stop))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), options.seconds)
            stop.set()
            await streaming
            progress.phase = "no more reports; what is under way arrives"
            await stage.settle(min(10.0, 2 * options.retry_interval), hurry)
            accounts = {name: await _reconcile(name, stage, journal) for name in journal.entries}
            progress.phase = "stopping"
            watching.cancel()
            shown.cancel()
        status = await child.stop()
    return Ending(accounts, journal, status)


async def _reconcile(name: str, stage: Stage, journal: Journal) -> Account:
    return journal.settle(name, await stage.ask(name, journal.unacknowledged(name)))


def _on_interrupt(stop: asyncio.Event, hurry: asyncio.Event) -> None:
    def interrupt() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)


def _announce(options: Options, child: ChildService) -> None:
    if options.quiet:
        return
    print(
        f"The service runs at {child.url} (API: {child.url}/docs). Look around from elsewhere:\n"
        f"  STATUSPUSH_URL={child.url} STATUSPUSH_TOKEN={child.token} statuspush account list\n"
        f"Its database and log are in {options.directory}",
        flush=True,
    )


async def _show(options: Options, journal: Journal, progress: Progress) -> None:
    """Keep the person informed, until cancelled."""
    if options.quiet:
        return
    if not options.live:
        while True:
            await asyncio.sleep(1)
            print(view.plain(journal, progress), flush=True)
    draw: Callable[[], object] = lambda: live.update(  # noqa: E731
        view.live(journal, progress, options.retry_interval), refresh=True
    )
    with Live(console=Console(file=sys.stdout), auto_refresh=False) as live:
        try:
            while True:
                draw()
                await asyncio.sleep(0.25)
        finally:
            draw()
