"""Facts about a crash between any two commits: what was promised is there, and nothing is torn."""

import shutil
from pathlib import Path

import pytest

from statuspush.core.contract import Mode
from statuspush.core.kinds import KINDS
from statuspush.core.lifecycle import State
from statuspush.storage.file import connect
from statuspush.store.sqlite.accounts import load_accounts
from statuspush.store.sqlite.hot import Totals
from statuspush.store.sqlite.log import ReportLog
from statuspush.store.sqlite.progress import ProgressJournal

ALL = frozenset(State)


class Copies:
    """A copy of the database's files after each commit, as a crash would leave them."""

    def __init__(self, path, folder):
        self.path = path
        self.folder = folder
        self.promised = {}
        self.taken = []
        self.commits = 0

    def after(self, connection, sql):
        if sql != "COMMIT":
            return
        folder = self.folder / f"{self.commits:03}"
        self.commits += 1
        folder.mkdir(parents=True)
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{self.path}{suffix}", folder / f"status.db{suffix}")
        self.taken.append((folder / "status.db", dict(self.promised)))

    def promise(self, account, count):
        """The submitter was told so."""
        self.promised[account] = self.promised.get(account, 0) + count


@pytest.fixture
def copies(watch, watched, folder):
    copies = Copies(watched.layout.path, folder / "crashes")
    watch.on_after = copies.after
    return copies


async def a_week(desk, copies):
    """Some of everything that commits."""

    async def submit(count, account):
        await desk.submit(count, account)
        copies.promise(account, count)

    await desk.account("a", max_reports=3, max_in_flight=2)
    await desk.account("b")
    await submit(7, "a")
    await submit(2, "b")
    claims = await desk.claim() + await desk.claim()
    await desk.deliver(claims[0])
    await desk.too_large(claims[1])
    await desk.fail(claims[2])
    await submit(3, "a")
    await desk.store.pull_reports("a", 2, desk.now)
    await desk.set("b", mode=Mode.OFF)
    await submit(4, "b")
    await desk.set("b", mode=Mode.ON)
    desk.turn(minutes=7 * 60)
    await desk.settle()
    await submit(5, "b")
    await desk.store.redrive_account("b", since=None, until=None, states=ALL, now=desk.now)
    claims = await desk.claim()
    await desk.store.release_claims(claims[:1], desk.now)
    await desk.fail(claims[1:])
    await submit(1, "a")


def uncovered(path, layout):
    """Seqs of stored reports that are in no push and are not going to be cut."""
    connection = connect(path, read_only=True)
    log = ReportLog(connection, layout.sizes)
    log.load_runs()
    accounts = load_accounts(connection, ProgressJournal(connection).load(), Totals(), KINDS)
    states = {state.id: state for state in accounts}
    log.load_tails(states, 1 << 60)
    lost = []
    for state in states.values():
        cursor, next_seq = state.progress.cursor, state.progress.next_seq
        covered = set(range(cursor, next_seq))
        for first, count in connection.execute(
            "SELECT first_seq, count FROM pushes WHERE account = ?", (state.id,)
        ):
            covered.update(range(first, first + count))
        first = log.first_kept(connection, state.id) or next_seq
        lost += [seq for seq in range(first, next_seq) if seq not in covered]
        stored = log.fragments(connection, state.id, first, next_seq)
        assert (stored.count(b"\n") + 1 if stored else 0) == next_seq - first
    connection.close()
    return lost


async def drained(desk):
    """Everything that can be sent, over an hour."""
    for account in (await desk.store.list_accounts()).items:
        await desk.set(account.account, url=desk.URL, mode=Mode.ON)
    for _ in range(12):
        await desk.deliver_all()
        desk.turn(minutes=5)


async def test_after_a_crash_at_any_commit_nothing_promised_is_lost(
    watch, watched, copies, new_desk, layout
):
    await a_week(watched, copies)
    watch.on_after = None
    assert len(copies.taken) > 20
    for path, promised in copies.taken:
        desk = await new_desk(type(layout)(path, layout.sizes)).open()
        desk.now = watched.now
        await desk.check()
        assert uncovered(path, layout) == []
        for account, count in promised.items():
            assert (await desk.get(account)).accepted_reports >= count
        await drained(desk)
        for account in (await desk.store.list_accounts()).items:
            assert account.reports.waiting == account.reports.sending == 0
        await desk.check()
        await desk.store.close()


async def test_after_a_crash_the_same_reports_are_known(watch, watched, copies, new_desk, layout):
    await a_week(watched, copies)
    watch.on_after = None
    for path, promised in copies.taken[-8:]:
        desk = await new_desk(type(layout)(path, layout.sizes)).open()
        reports = [desk.report(n, account) for n in range(1, 23) for account in "ab"]
        before = sum([(await desk.get(account)).accepted_reports for account in promised])
        assert (await desk.append(reports)).duplicates == before
        await desk.store.close()


async def test_a_torn_end_of_the_log_is_a_crash_one_commit_earlier(
    watch, watched, copies, new_desk, layout
):
    await a_week(watched, copies)
    watch.on_after = None
    for path, _ in copies.taken[-6:]:
        log = Path(f"{path}-wal")
        with log.open("r+b") as file:
            file.truncate(log.stat().st_size - 100)
        desk = await new_desk(type(layout)(path, layout.sizes)).open()
        await desk.check()
        assert uncovered(path, layout) == []
        await desk.store.close()


async def test_a_crash_while_old_reports_are_removed_harms_nothing(
    watch, watched, copies, new_desk, layout
):
    desk = watched
    await a_week(desk, copies)
    desk.turn(minutes=7 * 60)
    await desk.settle()
    desk.turn(days=8)
    await desk.submit(3, "a")
    copies.taken.clear()
    await desk.settle(keep_from=desk.now - 7 * desk.DAY)
    watch.on_after = None
    young = desk.numbers
    assert len(copies.taken) > 3
    for path, _ in copies.taken:
        after = await new_desk(type(layout)(path, layout.sizes)).open()
        after.now = desk.now
        await after.check()
        await after.settle(keep_from=desk.now - 7 * desk.DAY)
        await after.check()
        assert uncovered(path, layout) == []
        assert (await after.store.figures()).reports_stored == 3
        assert await after.deliver_all() == [[f"sid-{n}" for n in range(young - 2, young + 1)]]
        await after.store.close()
