"""Reports in a table of a real PostgreSQL."""

import asyncio
import re
import sys

import psycopg
import pytest

from statuspush.core.errors import InputError, ServiceError
from statuspush.extras import install_command
from statuspush.receiver import Report
from statuspush.receiver.sinks import sink_from

pytestmark = pytest.mark.xdist_group("postgresql")  # one server for all


@pytest.fixture
def url(postgresql_program):
    """URL of the database, without a table."""
    return f"postgresql://postgres:x@127.0.0.1:{postgresql_program.port}/postgres"


@pytest.fixture
async def database(url):
    """A connection; the tables that the test made are gone afterwards."""
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    yield connection
    await connection.close()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as again:
        await again.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        await again.execute("DROP SCHEMA IF EXISTS archive CASCADE")


@pytest.fixture
async def sink(url, database):
    """A sink whose table is ``calls``."""
    sink = sink_from(f"{url}/calls")
    await sink.open()
    yield sink
    await sink.close()


async def rows(database, what="*", table="calls"):
    found = await database.execute(f"SELECT {what} FROM {table} ORDER BY sid")
    return await found.fetchall()


COLUMNS = "sid, uid, user_receive_time, duration, error_msg, mobile, report_status, account, extra"


async def test_a_report_is_a_row(sink, database, make_reports):
    await sink.deliver(make_reports(1, account="north", uid="", note={"a+b": ["50%"]}))
    assert await rows(database, COLUMNS) == [
        (
            *("s1", "", "2026-01-31 12:00:00", 12, "用户信号不佳、关机等", "+37258483726", "FAIL"),
            *("north", {"note": {"a+b": ["50%"]}}),
        )
    ]


async def test_null_and_missing_are_null(sink, database):
    await sink.deliver([Report({"sid": "s1", "uid": None})])
    assert await rows(database, COLUMNS) == [("s1", *[None] * 6, "", None)]


async def test_the_time_of_arrival_is_kept(sink, database, make_reports):
    await sink.deliver(make_reports())
    ((age,),) = await rows(database, "now() - received_at < interval '1 minute'")
    assert age is True


async def test_a_repeat_overwrites_its_row(sink, database, make_reports):
    await sink.deliver(make_reports(3))
    await sink.deliver(make_reports(2, first=3, report_status="SUCCESS"))
    assert await rows(database, "sid, report_status") == [
        *(("s1", "FAIL"), ("s2", "FAIL")),
        *(("s3", "SUCCESS"), ("s4", "SUCCESS")),
    ]


async def test_of_two_reports_with_one_sid_the_later_stays(sink, database, make_reports):
    await sink.deliver(make_reports(duration=1) + make_reports(duration=2))
    assert await rows(database, "sid, duration") == [("s1", 2)]


async def test_a_batch_is_one_statement(sink, database, make_reports):
    """Every row has the same transaction and the same command in it."""
    await sink.deliver(make_reports(500))
    found = await rows(
        database,
        "count(*), count(DISTINCT (xmin::text, cmin::text))",
        "(SELECT 1 AS sid, xmin, cmin FROM calls) AS t GROUP BY sid",
    )
    assert found == [(500, 1)]


async def test_what_does_not_fit_its_column_is_in_extra(sink, database, make_reports):
    await sink.deliver(make_reports(duration=2**40, mobile=["+1"]))
    assert await rows(database, "duration, mobile, extra") == [
        (None, None, {"duration": 2**40, "mobile": ["+1"]})
    ]


async def test_what_no_postgresql_text_can_hold_is_replaced(sink, database, make_reports):
    """A report that is refused for ever would hold back all those behind it."""
    note = {"a\\u0000": "\0", "half": "\udc00"}
    await sink.deliver(make_reports(error_msg="a\0b\ud800", note=note))
    assert await rows(database, "error_msg, extra") == [
        ("a\ufffdb?", {"note": {"a\\u0000": "\ufffd", "half": "?"}})
    ]


async def test_a_table_can_be_named_in_the_query(url, database, make_reports):
    sink = sink_from(f"{url}?table=Calls%20of%20today&application_name=receiver")
    await sink.deliver(make_reports())
    assert len(await rows(database, table='"Calls of today"')) == 1
    await sink.close()


async def test_a_table_can_be_named_with_its_schema(url, database, make_reports):
    await database.execute("CREATE SCHEMA archive")
    sink = sink_from(f"{url}/archive.calls")
    await sink.deliver(make_reports())
    assert len(await rows(database, table="archive.calls")) == 1
    await sink.close()


async def test_without_a_name_the_table_is_voice_status(url, database, make_reports):
    sink = sink_from(url)
    await sink.deliver(make_reports())
    assert len(await rows(database, table="voice_status")) == 1
    await sink.close()


async def test_a_user_who_may_not_make_tables_can_write_to_one(sink, url, database, make_reports):
    await database.execute(
        "DROP ROLE IF EXISTS writer; CREATE ROLE writer LOGIN;"
        "GRANT USAGE ON SCHEMA public TO writer;"
        "GRANT INSERT, UPDATE, SELECT ON calls TO writer"
    )
    writer = sink_from(url.replace("postgres:x@", "writer@") + "/calls")
    await writer.deliver(make_reports())
    await writer.close()
    assert len(await rows(database)) == 1


async def test_receivers_can_start_at_the_same_time(url, database):
    sinks = [sink_from(f"{url}/calls") for _ in range(5)]
    await asyncio.gather(*(sink.open() for sink in sinks))
    for sink in sinks:
        await sink.close()
    assert await rows(database) == []


async def test_it_connects_again_after_the_server_was_away(
    sink, url, database, postgresql_program, make_reports
):
    await sink.deliver(make_reports())
    postgresql_program.stop()
    with pytest.raises(psycopg.OperationalError):
        await sink.deliver(make_reports(first=2))
    with pytest.raises(ServiceError, match="PostgreSQL: "):
        await sink.deliver(make_reports(first=2))
    postgresql_program.start()
    async with asyncio.timeout(20):
        while True:
            try:
                await sink.deliver(make_reports(first=2))
                break
            except ServiceError:  # it listens before it is ready
                await asyncio.sleep(0.05)
    async with await psycopg.AsyncConnection.connect(url) as again:
        assert await rows(again, "sid") == [("s1",), ("s2",)]


async def test_a_database_that_does_not_exist_is_told(url):
    with pytest.raises(ServiceError, match='"nowhere" does not exist'):
        await sink_from(
            url.replace("/postgres", "/nowhere").replace("//nowhere", "//postgres") + "/calls"
        ).open()


async def test_a_missing_library_is_told_with_what_to_do(url, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match=re.escape(install_command("postgresql"))):
        await sink_from(f"{url}/calls").open()
