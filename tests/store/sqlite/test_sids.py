"""Facts about accounts that number their reports alike: one pays nothing for the others."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from statuspush.core.batch import fingerprint, make_batch
from statuspush.core.kinds import VOICE_STATUS
from statuspush.storage.file import Schema, migrate_file
from statuspush.storage.sid_filter import make_filter
from statuspush.store.sqlite import SCHEMA, SqliteStore

NOW = 1_767_323_045_678


async def alike(desk, accounts=30, hours=0):
    """Accounts that each have the reports 1 to 10, some hours ago."""
    for number in range(accounts):
        await desk.account(f"a{number}")
        await desk.append([desk.report(n, f"a{number}") for n in range(1, 11)])
    desk.turn(minutes=hours * 60)
    await desk.settle()


def reads(watch):
    return [sql for sql in watch.statements if "body FROM" in sql or "index_blocks" in sql]


async def test_a_report_is_not_compared_with_those_of_other_accounts(watch, watched):
    desk = watched
    await alike(desk)
    await desk.account("new")
    watch.statements.clear()
    for number in (7, 8):
        one = make_batch([desk.report(number, "new")], VOICE_STATUS)
        assert (await desk.append_batch(one, desk.now)).accepted == 1
    everybody = [desk.report(9, f"a{number}") for number in range(30)]
    more = [desk.report(number, "new") for number in range(20, 50)]
    assert (await desk.append_batch(make_batch(more, VOICE_STATUS), desk.now)).accepted == 30
    assert reads(watch) == []
    assert (await desk.append([*everybody, desk.report(9, "new")])).duplicates == 30


@pytest.mark.parametrize("hours", [0, 7])
async def test_a_repeated_report_is_compared_with_its_own_account_only(desk, monkeypatch, hours):
    await alike(desk, hours=hours)
    read = []
    real = desk.store._log.read

    def noted(connection, ids):
        found = real(connection, ids)
        read.extend(chunk.account for chunk in found.values())
        return found

    monkeypatch.setattr(desk.store._log, "read", noted)
    assert (await desk.append([desk.report(7, "a3")])).duplicates == 1
    assert len(read) == 1


async def test_sids_of_a_file_of_the_second_version_are_known(tmp_path, monkeypatch, new_desk):
    """Its filters are of the sids alone; they are made anew."""
    path = tmp_path / "status.db"
    real = SCHEMA.migrations()
    monkeypatch.setattr(Schema, "migrations", lambda _: real[:2])
    migrate_file(path, SCHEMA)
    connection = sqlite3.connect(path, isolation_level=None)
    for account in (1, 2):
        connection.execute(
            "INSERT INTO accounts VALUES (?, ?, 'A', x'', 0, 'on', 'http://c', 'robust', 500,"
            " NULL, 1, 5.0, 15.0, NULL, '[]', NULL)",
            (account, f"a{account}"),
        )
        connection.execute(
            "INSERT INTO progress VALUES (?, 3, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL,"
            " NULL, x'', '')",
            (account,),
        )
    entry = np.dtype([("fingerprint", "<u8"), ("chunk", "<u4")])
    held = {}
    for chunk, account in ((1, 1), (2, 2)):
        body = b"\n".join(
            b'{"sid":"s%d","uid":null,"mobile":"1"}' % (account * 10 + n) for n in range(2)
        )
        connection.execute(
            "INSERT INTO chunks VALUES (?, ?, 1, 2, ?, ?)", (chunk, account, NOW, body)
        )
        for n in range(2):
            held[fingerprint(f"s{account * 10 + n}")] = chunk - 1
    bits = make_filter(np.array(list(held), np.uint64))
    connection.execute("INSERT INTO runs VALUES (1, 1, 2, 4, ?, ?)", (NOW, bits))
    for bucket in range(64):
        found = sorted((key, chunk) for key, chunk in held.items() if key >> 58 == bucket)
        if found:
            connection.execute(
                "INSERT INTO index_blocks VALUES (0, ?, 1, ?)",
                (bucket, np.array(found, entry).tobytes()),
            )
    connection.close()
    monkeypatch.setattr(Schema, "migrations", lambda _: real)
    for _ in range(2):
        store = SqliteStore.open(path, NOW)
        for account, sids in (("a1", ("s10", "s11")), ("a2", ("s20", "s21"))):
            known = make_batch([new_desk.report(1, account, sid=sid) for sid in sids], VOICE_STATUS)
            (appended,) = await store.append_reports([known], NOW)
            assert appended.duplicates == 2
        await store.close()
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("SELECT length(filter) FROM runs").fetchone()
    assert size == len(bits)
