"""The engines under test, and a desk from which tests work a store with a clock turned by hand.

The shared suite runs over each of :data:`LAYOUTS`. A further engine adds a layout here and
passes the same tests. After every test, what the store says of itself is compared.
"""

import json
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from statuspush.core.batch import make_batch
from statuspush.core.contract import Mode
from statuspush.core.fragment import json_lines
from statuspush.core.kinds import KINDS, VOICE_STATUS
from statuspush.core.kinds.voice_status import Submission
from statuspush.core.lifecycle import Halve, State, decide
from statuspush.core.outcome import Outcome, Verdict
from statuspush.core.push import Attempt
from statuspush.core.wire import encoded_size
from statuspush.storage.file import connect
from statuspush.store.base import Recording
from statuspush.store.sqlite import SqliteStore
from statuspush.store.sqlite.accounts import load_accounts
from statuspush.store.sqlite.hot import Totals
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.progress import ProgressJournal
from statuspush.store.sqlite.sizes import Sizes

START = 1_767_323_045_678
"""2026-01-02T03:04:05.678Z"""
MINUTE = 60_000
DAY = 86_400_000
URL = "https://customer.example/status"
RETRY_MS = VOICE_STATUS.retry_interval_seconds * 1000
OWNER = "here"


def report(number, account="acme", **fields):
    """A report whose every key is known from its number."""
    given = {
        "account": account,
        "sid": f"sid-{number}",
        "uid": f"order-{number}",
        "user_receive_time": "2026-01-02 11:00:00",
        "duration": number % 60,
        "mobile": f"152{number:08d}",
        "report_status": "SUCCESS",
    }
    return Submission(**(given | fields))


def sids(found):
    """The sids in a claim, a push or its fragments, in order."""
    lines = found if isinstance(found, bytes) else found.fragments
    return [json.loads(line)["sid"] for line in json_lines(lines, VOICE_STATUS).splitlines()]


def state_under_way(state):
    return {
        name: getattr(state, name)
        for name in [
            "id",
            "account",
            "name",
            "created_at",
            "settings",
            "revision",
            "progress",
            "in_flight",
            "reports_under_way",
            "reports_in_flight",
        ]
    } | {
        # Where a push is being sent is of no use to the next process.
        "under_way": {
            push: msgspec.structs.replace(held, url=None) for push, held in state.under_way.items()
        }
    }


@dataclass
class SqliteLayout:
    """The embedded engine."""

    path: Path
    sizes: Sizes = field(default_factory=Sizes)

    def open(self, now):
        return SqliteStore.open(self.path, now, sizes=self.sizes)

    @property
    def sorts(self):
        """Reports are sorted behind the log as soon as they are submitted."""
        return self.sizes.run_reports < Sizes().run_reports

    def check(self, store):
        """What the memory holds is what the next process would read from the disk."""
        connection = connect(self.path, read_only=True)
        try:
            log = ReportLog(connection, self.sizes)
            log.load_runs()
            totals = Totals()
            progress = ProgressJournal(connection).load()
            states = {
                state.id: state for state in load_accounts(connection, progress, totals, KINDS)
            }
            log.load_tails(states, store._now)
        finally:
            connection.close()
        assert {i: state_under_way(s) for i, s in store._accounts.by_id.items()} == {
            i: state_under_way(s) for i, s in states.items()
        }
        totals.reports += sum(state.backlog for state in states.values())
        assert totals == store._totals
        assert log.reports == store._log.reports
        assert log._run_reports == store._log._run_reports
        assert log.tails[-1].next_chunk == store._log.tails[-1].next_chunk or not log.reports


SMALL = Sizes(run_reports=4, run_pushes=4, filter_rows=1 << 12, fold_bytes=1000)
LAYOUTS = {"sqlite": Sizes(), "sqlite-sorted": SMALL}


def new_folder():
    """A folder for a database, in memory if the system has such a place: an fsync is free there."""
    shared_memory = Path("/dev/shm")
    return TemporaryDirectory(dir=shared_memory if os.access(shared_memory, os.W_OK) else None)


@pytest.fixture
def folder():
    with new_folder() as name:
        yield Path(name)


@pytest.fixture(params=LAYOUTS)
def layout(request, folder):
    """Where the store's reports are: all in the open end of the log, or mostly in sorted runs.

    The marker ``sizes`` gives the store other sizes.
    """
    sizes = {"probe_seconds": 0.0}  # a failed store is probed immediately
    for marker in request.node.iter_markers("sizes"):
        sizes |= marker.kwargs
    return SqliteLayout(folder / "status.db", replace(LAYOUTS[request.param], **sizes))


class Desk:
    """A store, the time, and the words in which tests ask for things."""

    START, MINUTE, DAY, URL, RETRY_MS = START, MINUTE, DAY, URL, RETRY_MS
    OWNER = OWNER
    new_folder = staticmethod(new_folder)
    report = staticmethod(report)
    sids = staticmethod(sids)

    def __init__(self, layout):
        self.layout = layout
        self.now = START
        self.numbers = 0
        self.keep_from = 0

    async def open(self):
        """Open as a process does: it takes back what it finds claimed."""
        self.store = self.layout.open(self.now)
        await self.store.take_back_claims(self.now, owner=OWNER)
        return self

    async def reopen(self, *, take_back=True):
        await self.store.close()
        if take_back:
            await self.open()
        else:
            self.store = self.layout.open(self.now)

    def turn(self, *, ms=0, minutes=0, days=0):
        self.now += ms + minutes * MINUTE + days * DAY

    # accounts

    async def account(self, account="acme", **settings):
        """An account that is on, unless the settings say otherwise."""
        await self.store.put_account(
            account, account.title(), b"hash of " + account.encode(), self.now
        )
        await self.set(account, **({"mode": Mode.ON, "url": URL} | settings))
        return account

    async def set(self, account="acme", **settings):
        return await self.store.change_push(account, settings, self.now)

    async def learn(self, size, account="acme"):
        """Let the account's endpoint refuse a push, so that this size is remembered."""
        await self.submit(2, account)
        await self.too_large(await self.claim_one(), half_bytes=size)
        await self.deliver_all()

    async def get(self, account="acme"):
        return await self.store.get_account(account)

    # reports

    def reports(self, count, account="acme", **fields):
        """New reports, numbered on."""
        first = self.numbers + 1
        self.numbers += count
        return [report(number, account, **fields) for number in range(first, first + count)]

    async def append(self, reports):
        appended = await self.append_batch(make_batch(reports, VOICE_STATUS), self.now)
        if self.layout.sorts:
            await self.settle()
        return appended

    async def append_batch(self, batch, now):
        """Append one submission; its result, or the error that refuses it."""
        (appended,) = await self.store.append_reports([batch], now)
        if isinstance(appended, Exception):
            raise appended
        return appended

    async def submit(self, count=1, account="acme", **fields):
        """Append new reports; return their sids."""
        reports = self.reports(count, account, **fields)
        assert (await self.append(reports)).accepted == count
        return [one.sid for one in reports]

    # pushes

    async def claim(self, *, limit=100, suspect_limit=100, lease_ms=10 * MINUTE, owner=OWNER):
        return list(
            await self.store.claim_pushes(
                self.now,
                limit=limit,
                suspect_limit=suspect_limit,
                lease_ms=lease_ms,
                owner=owner,
            )
        )

    async def claim_one(self):
        (claim,) = await self.claim(limit=1, suspect_limit=1)
        return claim

    def recording(self, claim, outcome, *, ms=0, half_bytes=None, slow=False, status=None):
        """What a sender would have to record of a send that ended now."""
        if half_bytes is None:
            held = claim.fragments.split(b"\n")
            middle = len(held) - len(held) // 2
            half_bytes = max(
                encoded_size(b"\n".join(half), claim.settings.wire, VOICE_STATUS)
                for half in (held[:middle], held[middle:] or held)
            )
        decision = decide(
            outcome,
            failures=claim.failures,
            reports=claim.reports,
            ended_at=self.now,
            retry_interval_ms=RETRY_MS,
            kind=VOICE_STATUS,
        )
        return Recording(
            push=claim.id,
            token=claim.token,
            attempt=Attempt(
                claim.attempt,
                self.now - ms,
                ms,
                Verdict(outcome, status, b"answer"),
                claim.reports,
            ),
            decision=Halve(half_bytes) if decision == Halve() else decision,
            slow=slow,
        )

    async def record(self, claims, outcome, **options):
        claims = claims if isinstance(claims, list) else [claims]
        return await self.store.record_outcomes(
            [self.recording(claim, outcome, **options) for claim in claims], self.now
        )

    async def deliver(self, claims, **options):
        written = await self.record(claims, Outcome.ACKNOWLEDGED, **options)
        assert all(written)

    async def fail(self, claims, **options):
        written = await self.record(claims, Outcome.HTTP_ERROR, **options)
        assert all(written)

    async def too_large(self, claims, **options):
        written = await self.record(claims, Outcome.TOO_LARGE, **options)
        assert all(written)

    async def exhaust(self, account="acme"):
        """Fail the account's next push four times; return its last claim."""
        for _ in range(VOICE_STATUS.max_sends):
            claim = await self.claim_one()
            await self.fail(claim)
            self.turn(minutes=5)
        return claim

    async def deliver_all(self, **options):
        """Claim and deliver until nothing can be sent now; return the sids of each push."""
        pushes = []
        while claims := await self.claim(**options):
            await self.deliver(claims)
            pushes += [sids(claim) for claim in claims]
        return pushes

    # looking

    async def pushes(self, account="acme", state=None, limit=100):
        """All pushes, newest first."""
        items, cursor = [], None
        while True:
            page = await self.store.list_pushes(account, state=state, cursor=cursor, limit=limit)
            items += page.items
            cursor = page.next
            if cursor is None:
                return items

    async def push_state(self, push):
        return (await self.store.get_push(push)).push.state

    async def find(self, **wanted):
        return list(await self.store.find_reports(**wanted))

    # upkeep

    async def sweep(self, keep_from=None):
        await self.store.take_back_claims(self.now)
        return await self.store.sweep(
            self.now, keep_from=self.keep_from if keep_from is None else keep_from
        )

    async def settle(self, keep_from=None):
        """Sweep until nothing is left to do; return what was done."""
        done = Counter()
        for _ in range(10_000):
            swept = await self.sweep(keep_from)
            done["expired"] += swept.reports_expired
            done["reports"] += swept.reports_removed
            done["pushes"] += swept.pushes_removed
            if not swept.more:
                return done
        raise AssertionError("sweeping never ends")

    async def check(self):
        """What the store says of itself in different places agrees, and is on disk."""
        for account in (await self.store.list_accounts(limit=1000)).items:
            pushes = await self.pushes(account.account)
            by_state, reports = Counter(), Counter()
            for push in pushes:
                by_state[push.state] += 1
                reports[push.state] += push.reports - push.superseded
            for state in State:
                assert getattr(account.pushes, state) == by_state[state], (account, state)
                listed = await self.pushes(account.account, state)
                assert listed == [push for push in pushes if push.state is state]
                if state is not State.WAITING:
                    assert getattr(account.reports, state) == reports[state], (account, state)
            assert account.reports.waiting >= reports[State.WAITING]
            assert account == await self.store.get_account(account.account)
        self.layout.check(self.store)


@pytest.fixture
async def desk(layout):
    """A desk with an empty store; what the store says of itself is checked after the test."""
    desk = await Desk(layout).open()
    try:
        yield desk
        await desk.check()
    finally:
        await desk.store.close()


@pytest.fixture
def new_desk():
    """For tests that open stores themselves."""
    return Desk
