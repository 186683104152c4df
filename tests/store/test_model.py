"""Random sequences of verbs against what a person with a pencil would keep of them."""

import asyncio
import os
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from statuspush.core.contract import Mode
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.lifecycle import State
from statuspush.core.outcome import Outcome
from statuspush.store.base import Conflict

ACCOUNTS = ("a", "b")
OUTCOMES = (
    Outcome.ACKNOWLEDGED,
    Outcome.HTTP_ERROR,
    Outcome.TIMEOUT,
    Outcome.TOO_LARGE,
    Outcome.INTERRUPTED,
)
LEASE_MS = 60_000


class Machine(RuleBasedStateMachine):
    """Keeps the submitter's journal and the customers' journals, outside of the store."""

    desk_of = new_folder = None  # set by the test: a desk over a new database, a place for it

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = self.new_folder()
        self.desk = self.desk_of(Path(self.folder.name) / "status.db")
        self.accepted = {account: [] for account in ACCOUNTS}
        self.acknowledged = {account: set() for account in ACCOUNTS}
        self.redriven = {account: set() for account in ACCOUNTS}
        self.newest_claimed = dict.fromkeys(ACCOUNTS, -1)
        self.claimed_once = {account: set() for account in ACCOUNTS}
        self.mode = dict.fromkeys(ACCOUNTS, Mode.ON)
        self.in_flight = {"a": 1, "b": 3}
        self.failing = dict.fromkeys(ACCOUNTS, False)
        self.trusted = dict.fromkeys(ACCOUNTS)  # how many claims there were at a person's word
        self.claims = 0
        self.open = {}
        self.failures = {}
        self.reports_of = {}

    def run(self, coroutine):
        return self.runner.run(coroutine)

    @initialize()
    def begin(self):
        async def begin():
            await self.desk.open()
            await self.desk.account("a", max_reports=3)
            await self.desk.account("b", max_reports=2, max_in_flight=3)

        self.run(begin())

    def teardown(self):
        async def end():
            await self.desk.check()
            await self.desk.store.close()

        try:
            self.run(end())
        finally:
            self.runner.close()
            self.folder.cleanup()

    # what the platform does

    @rule(
        numbers=st.lists(st.integers(1, 60), min_size=1, max_size=8),
        account=st.sampled_from(ACCOUNTS),
    )
    def append(self, numbers, account):
        known = set(self.accepted[account])
        new = list(dict.fromkeys(f"sid-{n}" for n in numbers if f"sid-{n}" not in known))
        reports = [self.desk.report(n, account) for n in numbers]
        appended = self.run(self.desk.append(reports))
        assert appended.accepted == len(new)
        assert appended.duplicates == len(numbers) - len(new)
        self.accepted[account] += new
        if self.desk.layout.sorts:
            self.forget_leases_that_are_over()  # the desk has swept

    # what the sender does

    @rule(limit=st.integers(0, 3), suspect_limit=st.integers(0, 3))
    def claim(self, limit, suspect_limit):
        claims = self.run(
            self.desk.claim(limit=limit, suspect_limit=suspect_limit, lease_ms=LEASE_MS)
        )
        assert sum(not claim.suspect for claim in claims) <= limit
        assert sum(claim.suspect for claim in claims) <= suspect_limit
        for claim in claims:
            account = claim.account
            under_way = [c for c, _, _ in self.open.values() if c.account == account]
            assert self.mode[account] is Mode.ON
            doubted = self.failing[account] and self.trusted[account] is None
            assert len(under_way) < (1 if doubted else self.in_flight[account])
            assert claim.failures == self.failures.get(claim.id, 0) < VOICE_STATUS.max_sends
            self.claims += 1
            self.open[claim.id] = (claim, self.desk.now + LEASE_MS, self.claims)
            sids = self.desk.sids(claim)
            assert len(sids) == claim.reports
            before = self.reports_of.setdefault(claim.id, sids)
            assert before == sids or self.split_unsent(claim, before, sids)
            self.reports_of[claim.id] = sids
            for sid in sids:
                if sid not in self.claimed_once[account] | self.redriven[account]:
                    place = self.accepted[account].index(sid)
                    assert place > self.newest_claimed[account], "not in the order of acceptance"
                    self.newest_claimed[account] = place
                    self.claimed_once[account].add(sid)

    def split_unsent(self, claim, before, sids):
        """Only what was never sent under its id may lose its last reports to a new push.

        It was claimed and released; meanwhile a smaller body was found to be all that passes.
        """
        return claim.attempt == 1 and before[: len(sids)] == sids

    @precondition(lambda self: self.open)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES), slow=st.booleans())
    def record(self, data, outcome, slow):
        push = data.draw(st.sampled_from(sorted(self.open)))
        claim, _, number = self.open.pop(push)
        assert self.run(self.desk.record(claim, outcome, slow=slow)) == [True]
        assert self.run(self.desk.record(claim, Outcome.ACKNOWLEDGED)) == [False]
        account = claim.account
        word = self.trusted[account]
        if outcome is not Outcome.INTERRUPTED and word is not None and number > word:
            self.trusted[account] = None
        if outcome is Outcome.ACKNOWLEDGED:
            self.acknowledged[account].update(self.desk.sids(claim))
            self.failing[account] = False
        elif outcome is Outcome.TOO_LARGE and claim.reports > 1:
            pass  # its halves are new pushes
        elif outcome is not Outcome.INTERRUPTED:
            self.failing[account] = True
            self.failures[push] = self.failures.get(push, 0) + 1

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def release(self, data):
        push = data.draw(st.sampled_from(sorted(self.open)))
        claim, _, _ = self.open.pop(push)
        self.run(self.desk.store.release_claims([claim], self.desk.now))

    # time, restarts, upkeep

    @rule(ms=st.sampled_from([0, 1, 1000, LEASE_MS, 300_000, 7 * 3_600_000]))
    def time_goes_by(self, ms):
        self.desk.turn(ms=ms)

    @rule()
    def sweep(self):
        self.run(self.desk.settle())
        self.forget_leases_that_are_over()

    def forget_leases_that_are_over(self):
        now = self.desk.now
        self.open = {push: held for push, held in self.open.items() if held[1] > now}

    @rule()
    def reopen(self):
        self.run(self.desk.reopen())
        self.open.clear()

    # what people do

    @rule(account=st.sampled_from(ACCOUNTS), mode=st.sampled_from(Mode))
    def switch(self, account, mode):
        self.run(self.desk.set(account, mode=mode))
        self.mode[account] = mode

    @rule(account=st.sampled_from(ACCOUNTS), size=st.integers(1, 5))
    def resize(self, account, size):
        self.run(self.desk.set(account, max_reports=size))

    @rule(account=st.sampled_from(ACCOUNTS), states=st.sets(st.sampled_from(State)))
    def redrive_account(self, account, states):
        try:
            redriven = self.run(
                self.desk.store.redrive_account(
                    account, since=None, until=None, states=frozenset(states), now=self.desk.now
                )
            )
        except Conflict:
            assert self.mode[account] is Mode.OFF
            return
        self.note_redriven(account, redriven)

    @rule(account=st.sampled_from(ACCOUNTS), data=st.data())
    def redrive_push(self, account, data):
        pushes = self.run(self.desk.pushes(account))
        if not pushes:
            return
        push = data.draw(st.sampled_from(pushes))
        try:
            redriven = self.run(self.desk.store.redrive_push(push.id, self.desk.now))
        except Conflict:
            return
        assert push.state not in (State.WAITING, State.SENDING)
        assert redriven.reports == push.reports
        self.note_redriven(account, redriven)

    def note_redriven(self, account, redriven):
        if redriven.pushes:
            self.trusted[account] = self.claims
        for push in redriven.ids:
            sids = self.desk.sids(self.run(self.desk.store.get_push(push)))
            self.redriven[account].update(sids)

    # what must hold at any time

    @invariant()
    def nothing_is_lost(self):
        self.run(self.look())

    async def look(self):
        await self.desk.check()
        sending = set()
        for account in ACCOUNTS:
            if not self.accepted[account]:
                continue
            stands = await self.desk.get(account)
            assert stands.accepted_reports == len(self.accepted[account])
            by_state = {state: set() for state in State}
            for push in await self.desk.pushes(account):
                detail = await self.desk.store.get_push(push.id)
                sids = self.desk.sids(detail)
                assert len(sids) == push.reports
                by_state[push.state].update(sids)
                if push.state is State.SENDING:
                    sending.add(push.id)
                counted = [
                    attempt
                    for attempt in detail.attempts
                    if attempt.verdict.outcome not in (Outcome.INTERRUPTED, Outcome.TOO_LARGE)
                ]
                assert len(counted) <= 2 * VOICE_STATUS.max_sends
            assert by_state[State.DELIVERED] == self.acknowledged[account]
            in_pushes = set().union(*by_state.values())
            uncut = [sid for sid in self.accepted[account] if sid not in in_pushes]
            assert in_pushes <= set(self.accepted[account])
            assert self.accepted[account][len(self.accepted[account]) - len(uncut) :] == uncut
            waiting = sum(p.reports for p in await self.desk.pushes(account, State.WAITING))
            if self.mode[account] is Mode.OFF:
                assert waiting == stands.reports.waiting == 0
            else:
                assert stands.reports.waiting == waiting + len(uncut)
            assert bool(stands.health.consecutive_failures) is self.failing[account]
        assert sending == set(self.open)
        assert all(failures <= VOICE_STATUS.max_sends for failures in self.failures.values())


def test_no_sequence_of_verbs_loses_a_report_or_breaks_a_rule(layout, new_desk):
    class OverThisLayout(Machine):
        new_folder = staticmethod(new_desk.new_folder)

        @staticmethod
        def desk_of(path):
            return new_desk(type(layout)(path, layout.sizes))

    run_state_machine_as_test(
        OverThisLayout,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            derandomize=bool(os.environ.get("CI")),
            database=None,
            phases=[Phase.generate],  # add Phase.shrink to hunt; it may take minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
