"""What the demo shows: a live table, or lines without a terminal, and the summary at the end.

:class:`LiveTable` and :class:`Lines` are audiences of :func:`statuspush.demo.play.play`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from statuspush.cli.terminal import age
from statuspush.demo.customers import TEMPERS, Temper
from statuspush.demo.journal import STATES, Journal, Settlement
from statuspush.demo.stage import Scene, Watched


class Lines:
    """One line per second, for logs."""

    every = 1.0

    def begin(self, url: str, token: str, directory: Path) -> None:
        """Say where the service is."""
        print(
            f"The service runs at {url} (API: {url}/docs). Look around from elsewhere:\n"
            f"  STATUSPUSH_URL={url} STATUSPUSH_TOKEN={token} statuspush account list\n"
            f"Its database and log are in {directory}",
            flush=True,
        )

    def look(self, journal: Journal, scene: Scene) -> None:
        """Print how far it is."""
        print(plain(journal, scene), flush=True)


class LiveTable(Lines):
    """A table on a terminal that is kept redrawn; use as a context manager."""

    every = 0.25

    def __init__(self, retry_interval: float) -> None:
        """:param retry_interval: in seconds, to be shown."""
        self._retry_interval = retry_interval
        self._live = Live(console=Console(file=sys.stdout), auto_refresh=False)

    def __enter__(self) -> "LiveTable":
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def begin(self, url: str, token: str, directory: Path) -> None:
        """Say where the service is; the table follows below."""
        super().begin(url, token, directory)
        self._live.start()

    def look(self, journal: Journal, scene: Scene) -> None:
        """Draw how far it is."""
        self._live.update(live(journal, scene, self._retry_interval), refresh=True)


def live(journal: Journal, scene: Scene, retry_interval: float) -> RenderableType:
    """The picture that is kept redrawn; it fits a terminal of 80 columns."""
    titles = ("accepted", "acknowledged", "pushes", "per push", "retries", "waiting", "oldest")
    table = _table("customer", *titles)
    notes = []
    for temper in TEMPERS:
        entry = journal.entries[temper.account]
        watched = scene.watched.get(temper.account, Watched())
        table.add_row(
            temper.account,
            f"{len(entry.accepted):,}",
            f"{len(entry.acknowledged):,}",
            f"{entry.pushes:,}",
            f"{entry.pushed_reports / entry.pushes:.1f}" if entry.pushes else "–",
            f"{entry.retries:,}",
            f"{watched.waiting:,}",
            age(watched.oldest_seconds) or "–",
        )
        notes.append(_note(temper, watched))
    head = Text.assemble(
        (f"{scene.phase}, {monotonic() - scene.began:.0f} s", "bold"),
        (f"   retries after {retry_interval:g} s (the contract: 300 s)", "dim"),
        ("   Ctrl-C ends and counts", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )
    return Group(head, Text(), table, Text(), *notes, Text(), Text(_totals(journal, scene)))


def _note(temper: Temper, watched: Watched) -> Text:
    """What the customer does, and how the service judged its last answer."""
    style = "red" if watched.failing else "green" if watched.says else "dim"
    return Text.assemble(
        (f"{temper.account:<6}", "bold"),
        (f"{temper.what}: ", "dim"),
        (watched.says or "no push yet", style),
        no_wrap=True,
        overflow="ellipsis",
    )


def _table(first: str, *numbers: str) -> Table:
    """A table of numbers about things in its first column, without lines."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(first, style="bold", no_wrap=True)
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def plain(journal: Journal, scene: Scene) -> str:
    """One line, for a log."""
    failing = [name for name, watched in scene.watched.items() if watched.failing]
    end = f"; failing: {', '.join(sorted(failing))}" if failing else ""
    return f"{monotonic() - scene.began:4.0f} s  {_totals(journal, scene)}{end}"


def _totals(journal: Journal, scene: Scene) -> str:
    entries = journal.entries.values()
    waiting = sum(watched.waiting for watched in scene.watched.values())
    pushes = sum(entry.pushes for entry in entries)
    parts = [
        f"{sum(len(entry.accepted) for entry in entries):,} accepted",
        f"{sum(len(entry.acknowledged) for entry in entries):,} acknowledged",
        f"{waiting:,} waiting",
        f"{pushes:,} pushes",
        f"{sum(entry.retries for entry in entries):,} retries",
    ]
    p50, p95 = journal.latency(0.5, recent=True), journal.latency(0.95, recent=True)
    if p50 is not None and p95 is not None:
        parts.append(f"healthy customers p50 {_ms(p50)} p95 {_ms(p95)}")
    if scene.refusals:
        parts.append(f"{scene.refusals} submissions deferred")
    return ", ".join(parts)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def summary(accounts: Mapping[str, Settlement], journal: Journal) -> RenderableType:
    """Where every report is, and the sentence that says whether any is lost."""
    rows = {name: _numbers(account) for name, account in accounts.items()}
    sums = {
        title: sum(row[title] for row in rows.values())
        for title in ("accepted", *STATES, "LOST", "repeats")
    }
    # Empty states would only make the table wider.
    titles = [t for t, n in sums.items() if n or t not in ("sending", "exhausted", "cancelled")]
    table = _table("customer", *titles)
    for name, row in (*rows.items(), ("all", sums)):
        table.add_row(name, *(f"{row[title]:,}" for title in titles))
    head = Text("Reconciliation of every report", style="bold")
    return Group(Text(), head, Text(), table, Text(), verdict(accounts, journal))


def _numbers(account: Settlement) -> dict[str, int]:
    """The columns of an account by title."""
    return {
        "accepted": account.accepted,
        **account.states,
        "LOST": account.lost_count,
        "repeats": account.repeats,
    }


def verdict(accounts: Mapping[str, Settlement], journal: Journal) -> Text:
    """The result in one sentence."""
    accepted = sum(account.accepted for account in accounts.values())
    lost = sum(account.lost_count for account in accounts.values())
    repeats = sum(account.repeats for account in accounts.values())
    strangers = sum(account.strangers for account in accounts.values())
    sums = {s: sum(account.states[s] for account in accounts.values()) for s in STATES}
    parts = " + ".join(f"{number:,} {state}" for state, number in sums.items() if number) or "0"
    p50, p95 = journal.latency(0.5), journal.latency(0.95)
    times = (
        f"\nfrom submission to the customer: p50 {_ms(p50)}, p95 {_ms(p95)} where endpoints do well"
        if p50 and p95
        else ""
    )
    good = not lost and not strangers
    text = Text(
        f"{accepted:,} accepted = {parts}, lost: {lost:,}; "
        f"sent again after SUCCESS: {repeats:,}{times}",
        style="bold green" if good else "bold red",
    )
    if strangers:
        text.append(f"\n{strangers:,} reports arrived that nobody had submitted")
    for name, account in accounts.items():
        if account.lost:
            text.append(f"\nlost for {name}: {', '.join(account.lost)}")
    return text
