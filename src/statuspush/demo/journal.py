"""The outside journal: what was accepted, and what the customers saw, sid by sid.

Nothing in it comes from the service except the 202 of a submission, so that it is independent
evidence. A report is *lost* when it was accepted, no customer has acknowledged it, and the service
doesn't have it under way either.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

STATES: Final = ("delivered", "waiting", "sending", "exhausted", "cancelled")
"""Where an accepted report may be; anything else is lost."""

_RECENT: Final = 5_000


@dataclass(slots=True)
class Entry:
    """What the journal holds about one customer."""

    submitted: dict[str, float] = field(default_factory=dict)
    """When each sid was submitted, in monotonic seconds."""
    accepted: set[str] = field(default_factory=set)
    """Sids of submissions answered with 202."""
    arrived: set[str] = field(default_factory=set)
    acknowledged: dict[str, int] = field(default_factory=dict)
    """How often the customer answered SUCCESS for a sid."""
    pushes: int = 0
    """Requests that came."""
    pushed_reports: int = 0
    """Reports in them, repeats included."""
    retries: int = 0
    """Requests whose X-Push-Attempt was above 1."""

    @property
    def repeats(self) -> int:
        """Reports that came again although they had been acknowledged."""
        return sum(times - 1 for times in self.acknowledged.values())


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a customer's accepted reports add up."""

    accepted: int
    states: Mapping[str, int]
    """Reports by state, see :data:`STATES`."""
    lost: tuple[str, ...]
    """Sids that are nowhere, the first 20."""
    lost_count: int
    strangers: int
    """Reports that came but were never submitted."""
    repeats: int


class Journal:
    """Entries of all customers, and how long reports took.

    :param timed: the accounts whose reports are timed: those with healthy endpoints; the others'
        reports wait for other reasons.
    """

    def __init__(self, accounts: Iterable[str], timed: Iterable[str]) -> None:
        self.entries = {account: Entry() for account in accounts}
        self._timed = frozenset(timed)
        self._latencies = array("d")

    def submitting(self, account: str, sids: Iterable[str]) -> None:
        """Reports are about to be submitted."""
        now = monotonic()
        self.entries[account].submitted.update((sid, now) for sid in sids)

    def accepted(self, account: str, sids: Iterable[str]) -> None:
        """The service said 202: from here on it is responsible for them."""
        self.entries[account].accepted.update(sids)

    def arrived(self, account: str, sids: list[str], attempt: int) -> None:
        """A push came in, whatever the customer will answer."""
        entry = self.entries[account]
        entry.pushes += 1
        entry.pushed_reports += len(sids)
        entry.retries += attempt > 1
        now = monotonic()
        for sid in sids:
            if sid not in entry.arrived:
                entry.arrived.add(sid)
                if account not in self._timed:
                    continue
                self._latencies.append(now - entry.submitted.get(sid, now))

    def acknowledged(self, account: str, sids: Iterable[str]) -> None:
        """The customer answers SUCCESS for these."""
        acknowledged = self.entries[account].acknowledged
        for sid in sids:
            acknowledged[sid] = acknowledged.get(sid, 0) + 1

    def latency(self, share: float, *, recent: bool = False) -> float | None:
        """Seconds from submission to first arrival that this share of reports stayed within."""
        values = sorted(self._latencies[-_RECENT:] if recent else self._latencies)
        return values[min(len(values) - 1, int(share * len(values)))] if values else None

    def unacknowledged(self, account: str) -> set[str]:
        """Accepted reports that the customer has not acknowledged."""
        entry = self.entries[account]
        return entry.accepted - entry.acknowledged.keys()

    def settle(self, account: str, shown: Mapping[str, str | None]) -> Settlement:
        """Add up a customer's reports.

        ``shown`` is what the service says about those that were unacknowledged when it was asked:
        state by sid, None for one that it doesn't know. It is believed only about reports that are
        still under way; ``delivered`` counts only if the customer has acknowledged the report.
        """
        entry = self.entries[account]
        states = dict.fromkeys(STATES, 0)
        lost = []
        for sid in entry.accepted:
            if sid in entry.acknowledged:
                states["delivered"] += 1
            elif (state := shown.get(sid)) in STATES and state != "delivered":
                states[state] += 1
            else:
                lost.append(sid)
        return Settlement(
            accepted=len(entry.accepted),
            states=states,
            lost=tuple(lost[:20]),
            lost_count=len(lost),
            strangers=len(entry.arrived - entry.submitted.keys()),
            repeats=entry.repeats,
        )
