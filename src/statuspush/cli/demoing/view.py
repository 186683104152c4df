"""What the demo shows: a live table, or lines without a terminal, and the reckoning at the end."""

from collections.abc import Mapping
from time import monotonic

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from statuspush.cli.demoing.customers import TEMPERS, Temper
from statuspush.cli.demoing.journal import STATES, Account, Journal
from statuspush.cli.demoing.stage import Progress, Watched
from statuspush.cli.terminal import age


def live(journal: Journal, progress: Progress, retry_interval: float) -> RenderableType:
    """The picture that is drawn again and again; it fits a terminal of 80 columns."""
    titles = ("accepted", "acknowledged", "pushes", "per push", "retries", "waiting", "oldest")
    table = _table("customer", *titles)
    notes = []
    for temper in TEMPERS:
        entry = journal.entries[temper.account]
        watched = progress.watched.get(temper.account, Watched())
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
        (f"{progress.phase}, {monotonic() - progress.began:.0f} s", "bold"),
        (f"   retries after {retry_interval:g} s (the contract: 300 s)", "dim"),
        ("   Ctrl-C ends and counts", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )
    return Group(head, Text(), table, Text(), *notes, Text(), Text(_totals(journal, progress)))


def _note(temper: Temper, watched: Watched) -> Text:
    """What the customer does, and what the service makes of its last answer."""
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


def plain(journal: Journal, progress: Progress) -> str:
    """One line, for a log."""
    failing = [name for name, watched in progress.watched.items() if watched.failing]
    end = f"; failing: {', '.join(sorted(failing))}" if failing else ""
    return f"{monotonic() - progress.began:4.0f} s  {_totals(journal, progress)}{end}"


def _totals(journal: Journal, progress: Progress) -> str:
    entries = journal.entries.values()
    waiting = sum(watched.waiting for watched in progress.watched.values())
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
        parts.append(f"well customers p50 {_ms(p50)} p95 {_ms(p95)}")
    if progress.refusals:
        parts.append(f"{progress.refusals} submissions told to come later")
    return ", ".join(parts)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def reckoning(accounts: Mapping[str, Account], journal: Journal) -> RenderableType:
    """Where every report is, and the sentence that says whether any is lost."""
    rows = {name: _numbers(account) for name, account in accounts.items()}
    sums = {
        title: sum(row[title] for row in rows.values())
        for title in ("accepted", *STATES, "LOST", "repeats")
    }
    # States in which nothing is only make the table wide.
    titles = [t for t, n in sums.items() if n or t not in ("sending", "exhausted", "cancelled")]
    table = _table("customer", *titles)
    for name, row in (*rows.items(), ("all", sums)):
        table.add_row(name, *(f"{row[title]:,}" for title in titles))
    head = Text("Reconciliation of every report", style="bold")
    return Group(Text(), head, Text(), table, Text(), verdict(accounts, journal))


def _numbers(account: Account) -> dict[str, int]:
    """The columns of an account by title."""
    return {
        "accepted": account.accepted,
        **account.states,
        "LOST": account.lost_count,
        "repeats": account.repeats,
    }


def verdict(accounts: Mapping[str, Account], journal: Journal) -> Text:
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
        text.append(f"\n{strangers:,} reports came that nobody had submitted")
    for name, account in accounts.items():
        if account.lost:
            text.append(f"\nlost of {name}: {', '.join(account.lost)}")
    return text
