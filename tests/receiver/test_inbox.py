"""Facts about the inbox: durable before it answers, each sid once, in the order of arrival."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import wait

import pytest
from tests.receiver.conftest import batches, kept

from statuspush.core.errors import StoreRefused
from statuspush.core.kinds import VOICE_STATUS
from statuspush.receiver import inbox as inboxes
from statuspush.receiver.inbox import Inbox, InboxFull, InboxUnavailable, Kept, seen
from statuspush.storage import checkpoint

NOW = 1_767_323_045_678
HOUR = 3_600_000


def body(sids, **fields):
    return b"\n".join(json.dumps({"sid": sid} | fields).encode() for sid in sids)


def put(inbox, *sids, account="", now=NOW, **fields):
    return inbox.put(account, sids, body(sids, **fields), now).result(10)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "inbox.db"


@pytest.fixture
def inbox(path):
    opened = Inbox.open(path, VOICE_STATUS)
    yield opened
    opened.close()


@pytest.fixture
def small_runs(monkeypatch):
    monkeypatch.setattr(seen, "RUN_REPORTS", 10)


def reopened(inbox, path):
    inbox.close()
    inbox.__dict__ = Inbox.open(path, VOICE_STATUS).__dict__


def test_reports_are_kept_in_the_order_of_arrival(inbox):
    put(inbox, "c", "a")
    put(inbox, "b")
    assert kept(inbox) == ["c", "a", "b"]


def test_what_is_kept_is_what_came_byte_for_byte(inbox):
    line = '{"sid":"1","error_msg":"用户 50% +","more":[1.5e3]}'.encode()
    inbox.put("", ["1"], line, NOW).result(10)
    assert batches(inbox)[0].body == line


def test_a_repeat_is_counted_and_not_kept(inbox):
    assert put(inbox, "a", "b") == Kept(2, 0)
    assert put(inbox, "b", "c") == Kept(1, 1)
    assert kept(inbox) == ["a", "b", "c"]


def test_a_sid_twice_in_a_push_is_kept_once_the_first_one(inbox):
    lines = b'{"sid":"a","n":1}\n{"sid":"a","n":2}'
    assert inbox.put("", ["a", "a"], lines, NOW).result(10) == Kept(1, 1)
    assert batches(inbox)[0].body == b'{"sid":"a","n":1}'


def test_accounts_may_number_alike(inbox):
    put(inbox, "a", account="one")
    assert put(inbox, "a", account="two") == Kept(1, 0)
    assert kept(inbox, "two") == ["a"]


def test_repeats_are_known_after_a_restart(inbox, path):
    put(inbox, "a", "b")
    reopened(inbox, path)
    assert put(inbox, "a", "b", "c") == Kept(1, 2)


def test_repeats_are_known_from_every_run(inbox, path, small_runs):
    for number in range(100):
        assert put(inbox, f"{number}", f"more-{number}") == Kept(2, 0)
    for _ in range(2):
        runs = inbox.run(lambda c: c.execute("SELECT count(*) FROM runs").fetchone()[0])
        assert runs.result(10) >= 15
        for number in range(100):
            assert put(inbox, f"{number}", f"more-{number}") == Kept(0, 2)
        reopened(inbox, path)


def test_two_sids_of_one_mark_are_two_sids(inbox, path, monkeypatch, small_runs):
    monkeypatch.setattr(inboxes.inbox, "mark", lambda account, sid: 7)
    for number in range(25):
        assert put(inbox, f"{number}") == Kept(1, 0)
    assert put(inbox, "3", "24", "25") == Kept(1, 2)


def test_a_sid_is_forgotten_after_the_window(inbox, path, small_runs):
    for number in range(20):
        put(inbox, f"{number}")
    later = NOW + 72 * HOUR + 1
    for number in range(20, 60):
        put(inbox, f"{number}", now=later)
    assert put(inbox, "0", now=later) == Kept(1, 0)
    assert put(inbox, "59", now=later) == Kept(0, 1)


def test_half_a_surrogate_pair_is_compared_like_others(inbox, path):
    line = b'{"sid":"a","error_msg":"\\ud83d"}'
    assert inbox.put("", ["a"], line, NOW).result(10) == Kept(1, 0)
    assert inbox.put("", ["a"], line, NOW).result(10) == Kept(0, 1)
    odd = b'{"sid":"\\ud83d"}'
    assert inbox.put("", ["\ud83d"], odd, NOW).result(10) == Kept(1, 0)
    assert inbox.put("", ["\ud83d"], odd, NOW).result(10) == Kept(0, 1)


def test_pushes_of_many_threads_share_commits_and_none_is_lost(inbox):
    commits = []
    inbox.run(lambda c: c.set_trace_callback(lambda s: commits.append(s == "COMMIT"))).result(10)

    def submit(thread):
        wait([inbox.put("", [f"{thread}-{n}"], body([f"{thread}-{n}"]), NOW) for n in range(200)])

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(kept(inbox)) == sorted(f"{t}-{n}" for t in range(8) for n in range(200))
    assert sum(commits) < 800


def test_a_second_process_is_refused(inbox, path):
    with pytest.raises(StoreRefused, match="another statuspush process"):
        Inbox.open(path, VOICE_STATUS)


def test_a_database_of_the_sender_is_refused(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE pushes (id)")
    connection.close()
    with pytest.raises(StoreRefused, match="another program"):
        Inbox.open(path, VOICE_STATUS)


def test_a_full_disk_acknowledges_nothing_and_heals(inbox, path):
    put(inbox, "a")
    limit = inbox.run(lambda c: c.execute("PRAGMA page_count").fetchone()[0]).result(10)
    inbox.run(lambda c: c.execute(f"PRAGMA max_page_count = {limit}").fetchone()).result(10)
    with pytest.raises(InboxUnavailable, match="full"):
        put(inbox, "b", error_msg="x" * 200_000)
    inbox.run(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone()).result(10)
    assert put(inbox, "b") == Kept(1, 0)
    assert kept(inbox) == ["a", "b"]


def test_a_call_with_a_defect_fails_and_the_inbox_goes_on(inbox):
    with pytest.raises(ZeroDivisionError):
        inbox.run(lambda c: 1 // 0).result(10)
    assert put(inbox, "a") == Kept(1, 0)


def test_more_than_memory_may_hold_is_refused(path):
    inbox = Inbox.open(path, VOICE_STATUS, max_waiting_bytes=1000)
    go_on = threading.Event()
    held = inbox.run(lambda c: go_on.wait(10))
    try:
        waiting = inbox.put("", ["a"], body(["a"], text="x" * 900), NOW)
        with pytest.raises(InboxFull):
            inbox.put("", ["b"], body(["b"], text="x" * 900), NOW)
    finally:
        go_on.set()
    assert held.result(10)
    assert waiting.result(10) == Kept(1, 0)
    assert put(inbox, "b") == Kept(1, 0)
    inbox.close()


def test_after_close_nothing_is_taken(inbox, path):
    inbox.close()
    with pytest.raises(InboxUnavailable, match="closing"):
        inbox.put("", ["a"], body(["a"]), NOW)
    inbox.__dict__ = Inbox.open(path, VOICE_STATUS).__dict__


def test_new_reports_are_told_of(path):
    told = threading.Event()
    inbox = Inbox.open(path, VOICE_STATUS, stored=told.set)
    put(inbox, "a")
    assert told.is_set()
    told.clear()
    put(inbox, "a")
    assert not told.is_set()
    inbox.close()


WRITES = """
import sys
from pathlib import Path
from statuspush.core.kinds import VOICE_STATUS
from statuspush.receiver.inbox import Inbox
inbox = Inbox.open(Path(sys.argv[1]), VOICE_STATUS)
first = int(sys.argv[2])
for number in range(first, first + 1_000_000):
    inbox.put("", [str(number)], b'{"sid":"%d"}' % number, 1).result()
    print(number, flush=True)
"""


def test_kill_9_loses_nothing_that_was_acknowledged(path):
    """Ten times, with what was told noted outside."""
    told, first = [], 0
    for _ in range(10):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITES, str(path), str(first)], stdout=subprocess.PIPE
        )
        with process:
            told += [int(process.stdout.readline()) for _ in range(50)]
            os.kill(process.pid, signal.SIGKILL)
            told += [int(line) for line in process.stdout.read().split(b"\n")[:-1]]
        first = told[-1] + 1
    inbox = Inbox.open(path, VOICE_STATUS)
    found = kept(inbox)
    inbox.close()
    assert len(found) == len(set(found))
    assert set(map(str, told)) <= set(found)


def test_no_run_holds_more_than_its_filter_is_laid_out_for(inbox, monkeypatch):
    monkeypatch.setattr(seen, "RUN_REPORTS", 10)
    monkeypatch.setattr(inboxes.inbox, "_ROW_REPORTS", 3)
    go_on = threading.Event()
    held = inbox.run(lambda c: go_on.wait(10))
    waiting = [put_later(inbox, f"{n}") for n in range(40)]
    go_on.set()
    assert held.result(10)
    assert all(future.result(10) == Kept(1, 0) for future in waiting)
    for number in range(40, 60):
        put(inbox, f"{number}")
    sizes = "SELECT sum(length(marks)) / 8 FROM run_marks GROUP BY run"
    runs = [row[0] for row in inbox.run(lambda c: c.execute(sizes).fetchall()).result(10)]
    assert len(runs) >= 4
    assert max(runs) <= 10
    assert put(inbox, *map(str, range(60))) == Kept(0, 60)


def put_later(inbox, sid):
    return inbox.put("", [sid], body([sid]), NOW)


def test_a_run_that_is_forgotten_leaves_nothing_behind(inbox, small_runs):
    for number in range(20):
        put(inbox, f"{number}")
    later = NOW + 72 * HOUR + 1
    for number in range(20, 80):
        put(inbox, f"{number}", now=later)
    orphans = "SELECT count(*) FROM run_marks WHERE run NOT IN (SELECT id FROM runs)"
    oldest = "SELECT min(id) FROM runs"
    assert inbox.run(lambda c: c.execute(oldest).fetchone()[0]).result(10) > 1
    assert inbox.run(lambda c: c.execute(orphans).fetchone()[0]).result(10) == 0


def test_a_sid_whose_report_retention_removed_is_new_again(inbox):
    put(inbox, "a")
    assert put(inbox, "a") == Kept(0, 1)
    inbox.run(lambda c: c.execute("DELETE FROM batches").rowcount).result(10)
    assert put(inbox, "a") == Kept(1, 0)


def test_after_a_call_that_failed_numbers_and_repeats_are_as_before(inbox, path):
    put(inbox, "a")
    go_on = threading.Event()
    inbox.run(lambda c: go_on.wait(10))
    failing, beside = inbox.run(lambda c: 1 // 0), put_later(inbox, "b")
    go_on.set()
    with pytest.raises(ZeroDivisionError):
        failing.result(10)
    with pytest.raises(InboxUnavailable):
        beside.result(10)
    assert put(inbox, "a", "b") == Kept(1, 1)
    assert [batch.id for batch in batches(inbox)] == [1, 2]


def test_the_write_ahead_log_does_not_grow_without_end(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "WAL_BYTES", 1 << 20)
    inbox = Inbox.open(path, VOICE_STATUS)
    for number in range(60):
        put(inbox, f"{number}", text="x" * 200_000)
    assert path.with_name("inbox.db-wal").stat().st_size < 6 << 20
    assert len(kept(inbox)) == 60
    inbox.close()


def test_an_inbox_may_be_a_symbolic_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "elsewhere" / "inbox.db")
    for repeats in (0, 1):
        linked = Inbox.open(tmp_path / "link.db", VOICE_STATUS)
        assert put(linked, "a").repeats == repeats
        linked.close()
