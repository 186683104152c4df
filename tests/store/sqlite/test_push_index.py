"""Facts about what finds pushes by account: the recent ones in memory, the directory behind."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspush.core.contract import Mode
from statuspush.core.lifecycle import State
from statuspush.core.push_settings import PushSettings
from statuspush.storage.file import Schema, migrate_file
from statuspush.store.base import StoreUnavailable
from statuspush.store.sqlite import SCHEMA, SqliteStore
from statuspush.store.sqlite.push_index import DirectoryStep, PushIndex
from statuspush.store.sqlite.sizes import Sizes

PUSHES = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2000)), max_size=30)
"""(account, first seq)"""


class Shelf:
    """Pushes of which the first so many are in the directory."""

    def __init__(self, pushes, in_directory):
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        for _, sql in SCHEMA.migrations():
            self.connection.executescript(sql)
        self.rows = [(number * 10, *push) for number, push in enumerate(pushes, 1)]
        self.index = PushIndex(Sizes(push_page=3))
        self.index.recent.add(self.rows[:in_directory])
        if in_directory:
            step = DirectoryStep(self.connection, self.index.recent, in_directory)
            while step.step(1):
                pass
            self.index.recent.add(self.rows[in_directory:])
            step.adopt(self.index)
        else:
            self.index.recent.add(self.rows)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def of(self, account):
        return [(push, seq) for push, owner, seq in self.rows if owner == account]


@given(pushes=PUSHES, share=st.floats(0, 1), below=st.integers(0, 320))
def test_the_newest_pushes_of_an_account_come_first(pushes, share, below):
    with Shelf(pushes, int(share * len(pushes))) as shelf:
        for account in (1, 2, 3):
            parts = shelf.index.newest(shelf.connection, account, below)
            found = [push for part in parts for push in part]
            assert found == sorted((p for p, _ in shelf.of(account) if p < below), reverse=True)


@given(pushes=PUSHES, share=st.floats(0, 1), first=st.integers(0, 320), end=st.integers(0, 320))
def test_the_pushes_between_two_ids_come_oldest_first(pushes, share, first, end):
    with Shelf(pushes, int(share * len(pushes))) as shelf:
        for account in (1, 2, 3):
            parts = shelf.index.oldest(shelf.connection, account, first, end)
            found = [push for part in parts for push in part]
            assert found == sorted(p for p, _ in shelf.of(account) if first <= p < end)


@given(
    pushes=PUSHES,
    share=st.floats(0, 1),
    ranges=st.lists(st.tuples(st.integers(1, 2500), st.integers(0, 600)), min_size=1, max_size=3),
)
def test_pushes_that_may_hold_a_report_are_all_found(pushes, share, ranges):
    wanted = [(first, first + count) for first, count in ranges]
    with Shelf(pushes, int(share * len(pushes))) as shelf:
        for account in (1, 2, 3):
            found = shelf.index.holding(shelf.connection, account, wanted)
            for (first, end), ids in zip(wanted, found, strict=True):
                assert ids == {p for p, seq in shelf.of(account) if first - 500 < seq < end}


@pytest.mark.sizes(run_pushes=5)
async def test_pushes_are_sorted_into_the_directory_when_they_are_many(desk):
    await desk.account()
    for _ in range(12):
        await desk.submit(1)
        await desk.deliver_all()
    before = await desk.pushes()
    await desk.settle()
    assert len(desk.store._pushes.index.recent) < 5
    assert await desk.pushes() == before
    await desk.reopen()
    assert len(desk.store._pushes.index.recent) < 5
    assert await desk.pushes() == before


@pytest.mark.sizes(run_pushes=5)
async def test_the_directory_shrinks_with_retention(desk):
    await desk.account()
    for _ in range(6):
        await desk.submit(1)
        await desk.deliver_all()
    await desk.settle()
    desk.turn(days=1)
    await desk.settle(keep_from=desk.now)
    count = "SELECT count(*) FROM push_directory"
    assert desk.store._read_connection.execute(count).fetchone() == (0,)


@pytest.mark.parametrize("layout", ["sqlite"], indirect=True)
@pytest.mark.sizes(run_pushes=3)
async def test_a_step_of_the_directory_that_is_not_stored_is_done_again(watch, watched):
    desk = watched
    await desk.account()
    for _ in range(4):
        await desk.submit(1)
        await desk.deliver_all()
    before = await desk.pushes()
    watch.fail_every("INTO push_directory", sqlite3.SQLITE_FULL)
    await desk.sweep()  # sorts
    with pytest.raises(StoreUnavailable):
        await desk.sweep()
    watch.fail = None
    await desk.settle()
    assert await desk.pushes() == before


async def test_pushes_of_a_file_of_the_first_version_are_found(tmp_path, monkeypatch):
    path, now = tmp_path / "status.db", 1_767_323_045_678
    real = SCHEMA.migrations()
    monkeypatch.setattr(Schema, "migrations", lambda _: real[:1])
    migrate_file(path, SCHEMA)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(
        "INSERT INTO accounts VALUES (1, 'a', 'A', x'', 0, 'on', 'http://c', 'robust', 500, NULL,"
        " 1, 5.0, 15.0, NULL, '[]', NULL)"
    )
    connection.execute(
        "INSERT INTO progress VALUES (1, 4, 4, 1, 1, 0, 0, 2, 0, 0, 0, 0, 0, NULL, NULL, NULL,"
        " NULL, x'', '')"
    )
    connection.executemany(
        "INSERT INTO pushes (id, account, first_seq, count, state, attempts, failures,"
        " accepted_at, due_at) VALUES (?, 1, ?, ?, ?, 1, 0, 0, ?)",
        [(5, 1, 2, "delivered", None), (6, 3, 1, "waiting", now)],
    )
    connection.close()
    monkeypatch.setattr(Schema, "migrations", lambda _: real)
    store = SqliteStore.open(path, now)
    try:
        for state, counts in ((None, [1, 2]), (State.DELIVERED, [2]), (State.WAITING, [1])):
            page = await store.list_pushes("a", state=state, cursor=None, limit=10)
            assert [push.reports for push in page.items] == counts
        assert (await store.get_account("a")).push == PushSettings(mode=Mode.ON, url="http://c")
    finally:
        await store.close()
