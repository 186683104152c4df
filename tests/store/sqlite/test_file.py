"""Facts about the database file: who may open it, and what happens to its schema."""

import os
import sqlite3
import stat
import subprocess
import sys

import pytest

from statuspush.core.contract import Mode, Wire
from statuspush.core.errors import StoreRefused
from statuspush.core.outcome import Outcome, Verdict
from statuspush.core.push_settings import PushSettings
from statuspush.storage.file import Schema, migrate_file, schema_version
from statuspush.store.sqlite import SCHEMA, SqliteStore

NOW = 1_767_323_045_678
OPEN = """
import asyncio, sys
from statuspush.core.contract import Mode, Wire
from statuspush.core.errors import StoreRefused
from statuspush.core.outcome import Outcome, Verdict
from statuspush.core.push_settings import PushSettings
from statuspush.store.sqlite import SqliteStore
async def hold():
    SqliteStore.open(sys.argv[1], 1767323045678)
try:
    asyncio.run(hold())
except StoreRefused as refused:
    print(refused)
    sys.exit(3)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "status.db"


async def open_and_close(path):
    store = SqliteStore.open(path, NOW)
    await store.close()


async def test_a_second_process_is_refused_in_plain_words(path):
    store = SqliteStore.open(path, NOW)
    try:
        second = subprocess.run(
            [sys.executable, "-c", OPEN, str(path)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        await store.close()
    assert second.returncode == 3, second.stderr
    assert f"another statuspush process (pid {os.getpid()})" in second.stdout
    assert "stop it first" in second.stdout


async def test_a_second_store_of_one_process_is_refused_and_harms_nothing(path):
    store = SqliteStore.open(path, NOW)
    with pytest.raises(StoreRefused, match="another statuspush process"):
        SqliteStore.open(path, NOW)
    with pytest.raises(StoreRefused):
        migrate_file(path, SCHEMA)
    await store.put_account("a", "A", b"", NOW)
    await store.close()


async def test_a_link_to_the_file_is_the_same_file(path, tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(path)
    store = SqliteStore.open(path, NOW)
    with pytest.raises(StoreRefused, match="another statuspush process"):
        SqliteStore.open(link, NOW)
    await store.close()


async def test_a_file_given_as_a_link_is_opened(path, tmp_path):
    await open_and_close(path)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(path)
    store = SqliteStore.open(link, 1_767_323_045_678)
    assert (await store.figures()).bytes_on_disk > 0
    await store.close()


async def test_the_lock_goes_with_the_store(path):
    await open_and_close(path)
    await open_and_close(path)


async def test_a_refused_open_lets_the_next_one_in(path):
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreRefused):
        SqliteStore.open(path, NOW)
    path.unlink()
    await open_and_close(path)


async def test_the_files_are_for_their_owner_only(path):
    mask = os.umask(0)
    try:
        store = SqliteStore.open(path, NOW)
        await store.put_secret("a", b"b")
        for suffix in ("", "-wal", "-shm", "-lock"):
            found = stat.S_IMODE(os.stat(f"{path}{suffix}").st_mode)
            assert found == 0o600, suffix
        await store.close()
    finally:
        os.umask(mask)


async def test_a_file_has_our_mark_pages_and_journal(path):
    await open_and_close(path)
    connection = sqlite3.connect(path)
    asked = ("application_id", "page_size", "journal_mode", "user_version")
    found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked]
    connection.close()
    assert found == [SCHEMA.application_id, 8192, "wal", SCHEMA.migrations()[-1][0]]


async def test_every_commit_is_synced(path):
    store = SqliteStore.open(path, NOW)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    await store.close()


async def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(StoreRefused, match="nowhere"):
        SqliteStore.open(tmp_path / "nowhere" / "status.db", NOW)


async def test_a_directory_is_no_database(tmp_path):
    (tmp_path / "status.db").mkdir()
    with pytest.raises(StoreRefused, match="cannot open the database"):
        SqliteStore.open(tmp_path / "status.db", NOW)


async def test_a_file_that_is_no_database_is_refused_untouched(path):
    path.write_bytes(b"important notes\n" * 1000)
    with pytest.raises(StoreRefused, match="not a database"):
        SqliteStore.open(path, NOW)
    assert path.read_bytes() == b"important notes\n" * 1000


async def test_another_programs_database_is_refused_untouched(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match="another program"):
        SqliteStore.open(path, NOW)
    with pytest.raises(StoreRefused, match="another program"):
        migrate_file(path, SCHEMA)
    assert path.read_bytes() == before


async def test_a_newer_schema_is_refused_untouched(path):
    await open_and_close(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match="schema version 99"):
        SqliteStore.open(path, NOW)
    assert path.read_bytes() == before
    assert schema_version(path, SCHEMA) == (99, SCHEMA.migrations()[-1][0])


async def test_an_older_schema_is_upgraded_and_keeps_its_data(path, monkeypatch):
    store = SqliteStore.open(path, NOW)
    await store.put_account("a", "A", b"", NOW)
    await store.close()
    newest = SCHEMA.migrations()[-1][0]
    steps = [*SCHEMA.migrations(), (newest + 1, "CREATE TABLE further (a INTEGER) STRICT;")]
    monkeypatch.setattr(Schema, "migrations", lambda _: steps)
    assert schema_version(path, SCHEMA) == (newest, newest + 1)
    store = SqliteStore.open(path, NOW)
    assert [account.name for account in (await store.list_accounts()).items] == ["A"]
    await store.close()
    assert schema_version(path, SCHEMA) == (newest + 1, newest + 1)
    assert migrate_file(path, SCHEMA) == (newest + 1, newest + 1)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM further").fetchone() == (0,)
    connection.close()


def test_a_file_can_be_migrated_without_being_opened(path):
    newest = SCHEMA.migrations()[-1][0]
    assert migrate_file(path, SCHEMA) == (0, newest)
    assert migrate_file(path, SCHEMA) == (newest, newest)


async def test_a_migration_that_fails_leaves_the_file_at_its_version(path, monkeypatch):
    await open_and_close(path)
    real = SCHEMA.migrations()
    newest = real[-1][0]
    broken = [
        *real,
        (newest + 1, "CREATE TABLE further (a INTEGER) STRICT; CREATE TABLE further (b);"),
    ]
    monkeypatch.setattr(Schema, "migrations", lambda _: broken)
    with pytest.raises(StoreRefused, match="further"):
        SqliteStore.open(path, NOW)
    assert schema_version(path, SCHEMA)[0] == newest
    monkeypatch.setattr(Schema, "migrations", lambda _: real)
    await open_and_close(path)


async def test_after_close_the_log_is_in_the_file(path):
    store = SqliteStore.open(path, NOW)
    await store.put_secret("a", b"b")
    await store.close()
    assert not path.with_name("status.db-wal").exists()


async def test_a_file_of_the_fourth_version_keeps_settings_standing_and_claims(path, monkeypatch):
    real = SCHEMA.migrations()
    monkeypatch.setattr(Schema, "migrations", lambda _: real[:4])
    migrate_file(path, SCHEMA)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(
        "INSERT INTO accounts VALUES (1, 'a', 'A', x'', 0, 'on', 'http://c', 'double', 7, 5000,"
        " 3, 2.5, 9.5, 'whsec_x', '[[\"X-A\",\"1\"]]', 700)"
    )
    connection.execute(
        "INSERT INTO progress VALUES (1, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 'timeout', 5, NULL,"
        " NULL, x'', 'words', NULL)"
    )
    connection.execute(
        "INSERT INTO chunks VALUES (1, 1, 1, 3, 0, ?)", (b'{"sid":"s","mobile":"1"}',)
    )
    connection.execute("UPDATE progress SET next_seq = 2, push_cursor = 2")
    connection.execute(
        "INSERT INTO pushes (id, account, first_seq, count, state, attempts, failures, accepted_at,"
        " due_at, token, claimed_until) VALUES (9, 1, 1, 1, 'sending', 1, 1, 0, 0, 8, 1)"
    )
    connection.execute("INSERT INTO attempts VALUES (9, 1, 5, 6, 'timeout', NULL, x'', 'words', 1)")
    connection.close()
    monkeypatch.setattr(Schema, "migrations", lambda _: real)
    store = SqliteStore.open(path, NOW)
    try:
        account = await store.get_account("a")
        assert account.push == PushSettings(
            mode=Mode.ON,
            url="http://c",
            wire=Wire.DOUBLE,
            max_reports=7,
            max_bytes=5000,
            max_in_flight=3,
            connect_seconds=2.5,
            timeout_seconds=9.5,
            secret="whsec_x",
            headers=(("X-A", "1"),),
        )
        assert account.learned_max_bytes == 700
        assert account.health.consecutive_failures == 2
        assert account.health.last_verdict == Verdict(Outcome.TIMEOUT, detail="words")
        assert await store.take_back_claims(NOW, owner="local") == 1
        (push,) = (await store.list_pushes("a", state=None, cursor=None, limit=9)).items
        attempts = (await store.get_push(push.id)).attempts
        assert [one.verdict.outcome for one in attempts] == [Outcome.TIMEOUT, Outcome.INTERRUPTED]
    finally:
        await store.close()
