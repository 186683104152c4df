"""Reports in rotated files of JSON lines."""

import asyncio
import json
import os
import re

import pytest
from tests.scaffolding import ManualClock

from statuspush.core.errors import ServiceError
from statuspush.receiver.sinks.jsonl import JsonLinesSink

NOON = 1_769_860_800_000  # 2026-01-31T12:00:00Z
DAY = 86_400_000


@pytest.fixture
def clock():
    return ManualClock(NOON)


@pytest.fixture
async def opened(tmp_path, clock):
    """A sink with files in ``tmp_path/out`` of at most 1,000 bytes."""
    sink = JsonLinesSink(tmp_path / "out", max_bytes=1000, clock=clock)
    await sink.open()
    yield sink
    await sink.close()


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def sids(path):
    return [json.loads(line)["sid"] for line in path.read_bytes().splitlines()]


async def test_the_current_file_is_marked_as_open(opened, tmp_path, make_reports):
    await opened.deliver(make_reports())
    assert names(tmp_path / "out") == ["voice-20260131T120000Z-0001.jsonl.open"]


async def test_closing_completes_the_file(opened, tmp_path, make_reports):
    await opened.deliver(make_reports(2))
    await opened.close()
    assert names(tmp_path / "out") == ["voice-20260131T120000Z-0001.jsonl"]
    assert sids(tmp_path / "out" / "voice-20260131T120000Z-0001.jsonl") == ["s1", "s2"]


async def test_a_line_is_the_report(opened, tmp_path, make_reports):
    (report,) = make_reports(note="a+b 50%")
    await opened.deliver([report])
    (path,) = (tmp_path / "out").iterdir()
    assert path.read_bytes() == report.json() + b"\n"


async def test_a_full_file_is_followed_by_another(opened, tmp_path, make_reports):
    for first in range(1, 8):
        await opened.deliver(make_reports(first=first))
    await opened.close()
    files = sorted((tmp_path / "out").iterdir())
    assert len(files) > 1
    assert all(path.stat().st_size <= 1000 for path in files)
    assert [sid for path in files for sid in sids(path)] == [f"s{n}" for n in range(1, 8)]


async def test_another_day_begins_another_file(opened, clock, tmp_path, make_reports):
    await opened.deliver(make_reports())
    clock.time += DAY
    await opened.deliver(make_reports(first=2))
    assert names(tmp_path / "out") == [
        "voice-20260131T120000Z-0001.jsonl",
        "voice-20260201T120000Z-0001.jsonl.open",
    ]


async def test_the_lines_are_on_disk_when_deliver_returns(
    opened, tmp_path, make_reports, monkeypatch
):
    synced = []
    fsync = os.fsync

    def watched(file):
        synced.append((os.readlink(f"/proc/self/fd/{file}"), os.fstat(file).st_size))
        fsync(file)

    monkeypatch.setattr(os, "fsync", watched)
    reports = make_reports(2)
    await opened.deliver(reports)
    (path,) = (tmp_path / "out").iterdir()
    assert synced[-1] == (str(path), sum(len(report.json()) + 1 for report in reports))
    assert (str(tmp_path / "out"), os.stat(tmp_path / "out").st_size) in synced, "its name as well"


async def test_a_line_torn_by_a_crash_is_cut_off(tmp_path, clock, make_reports):
    left = tmp_path / "voice-20260130T120000Z-0001.jsonl.open"
    whole = make_reports()[0].json() + b"\n"
    left.write_bytes(whole + b'{"sid":"s2","mob' + b"x" * 200_000)
    sink = JsonLinesSink(tmp_path, clock=clock)
    await sink.open()
    assert names(tmp_path) == ["voice-20260130T120000Z-0001.jsonl"]
    assert left.with_suffix("").read_bytes() == whole


async def test_after_a_crash_it_goes_on_with_a_new_file(tmp_path, clock, make_reports):
    """Even in the second in which the old one began."""
    before, after = (JsonLinesSink(tmp_path, clock=clock) for _ in range(2))
    await before.deliver(make_reports())
    os.close(before._file)  # as the end of its process does
    await after.open()
    await after.deliver(make_reports(first=2))
    assert names(tmp_path) == [
        "voice-20260131T120000Z-0001.jsonl",
        "voice-20260131T120000Z-0002.jsonl.open",
    ]
    await after.close()


async def test_a_file_with_nothing_whole_in_it_is_removed(tmp_path, clock):
    (tmp_path / "voice-20260130T120000Z-0001.jsonl.open").write_bytes(b'{"sid":')
    await JsonLinesSink(tmp_path, clock=clock).open()
    assert names(tmp_path) == []


async def test_the_file_of_a_living_process_is_left_alone(opened, tmp_path, clock, make_reports):
    await opened.deliver(make_reports())
    other = JsonLinesSink(tmp_path / "out", clock=clock)
    await other.open()
    await other.deliver(make_reports(first=2))
    await opened.deliver(make_reports(first=3))
    await other.close()
    await opened.close()
    found = [sids(path) for path in sorted((tmp_path / "out").iterdir())]
    assert found == [["s1", "s3"], ["s2"]]


async def test_a_batch_that_could_not_be_written_leaves_nothing(
    opened, tmp_path, make_reports, monkeypatch
):
    """The disk is full after a part of it; it comes again as a whole."""
    await opened.deliver(make_reports())
    write = os.write
    with monkeypatch.context() as patch:
        parts = []

        def full(file, text):
            if parts:
                raise OSError(28, "No space left on device")
            parts.append(text)
            return write(file, text[:20])

        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            await opened.deliver(make_reports(2, first=2))
    await opened.deliver(make_reports(2, first=2))
    await opened.close()
    found = [sids(path) for path in sorted((tmp_path / "out").iterdir())]
    assert found == [["s1"], ["s2", "s3"]]


async def test_after_a_failed_fsync_the_file_is_not_used_again(
    opened, tmp_path, make_reports, monkeypatch
):
    await opened.deliver(make_reports())
    with monkeypatch.context() as patch:

        def failing(file):
            raise OSError(5, "Input/output error")

        patch.setattr(os, "fsync", failing)
        with pytest.raises(OSError, match="Input/output"):
            await opened.deliver(make_reports(first=2))
    await opened.deliver(make_reports(first=2))
    assert names(tmp_path / "out") == [
        "voice-20260131T120000Z-0001.jsonl",
        "voice-20260131T120000Z-0002.jsonl.open",
    ]


async def test_a_directory_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match="cannot write to"):
        await JsonLinesSink(tmp_path / "file" / "out").open()


async def test_only_the_owner_may_read_a_file(opened, tmp_path, make_reports):
    await opened.deliver(make_reports())
    (path,) = (tmp_path / "out").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


async def test_the_event_loop_goes_on_while_the_disk_works(opened, make_reports, monkeypatch):
    fsync, turns = os.fsync, []

    def slow(file):
        while len(turns) < 3:
            pass
        fsync(file)

    async def turning():
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    monkeypatch.setattr(os, "fsync", slow)
    other = asyncio.create_task(turning())
    await opened.deliver(make_reports())
    other.cancel()


async def test_names_sort_by_time(opened, clock, tmp_path, make_reports):
    for number in range(3):
        await opened.deliver(make_reports(5, first=5 * number + 1))
        clock.time += 1000
    await opened.close()
    assert all(
        re.fullmatch(r"voice-\d{8}T\d{6}Z-\d{4}\.jsonl", name) for name in names(tmp_path / "out")
    )
    files = sorted((tmp_path / "out").iterdir())
    assert [sid for path in files for sid in sids(path)] == [f"s{n}" for n in range(1, 16)]
