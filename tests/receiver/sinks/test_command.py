"""Reports on the standard input of a command."""

import asyncio
import os
import time

import pytest

from statuspush.core.errors import ServiceError
from statuspush.receiver.sinks import sink_from
from statuspush.receiver.sinks.command import CommandSink


async def test_the_command_reads_a_line_a_report(tmp_path, make_reports):
    reports = make_reports(3)
    await sink_from(f"command:sort > {tmp_path}/out").deliver(reports)
    assert (tmp_path / "out").read_bytes() == b"".join(r.json() + b"\n" for r in reports)


async def test_a_command_need_not_read(make_reports):
    await sink_from("command:true").deliver(make_reports(2000))


async def test_an_exit_status_is_an_error_with_the_last_words(make_reports):
    command = "command:printf '%01000d the database is down' 0 >&2; exit 3"
    with pytest.raises(ServiceError) as caught:
        await sink_from(command).deliver(make_reports())
    assert str(caught.value).startswith("the command ended with status 3: 000")
    assert str(caught.value).endswith(" the database is down")
    assert len(str(caught.value)) < 350


async def test_a_signal_is_an_error(make_reports):
    with pytest.raises(ServiceError, match="ended with signal 9"):
        await sink_from("command:kill -9 $$").deliver(make_reports())


async def test_a_command_that_does_not_exist_is_an_error(make_reports):
    with pytest.raises(ServiceError, match=r"status 127: .*no-such-command"):
        await sink_from("command:no-such-command").deliver(make_reports())


def ended(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second while it is being read
        return True


async def until_ended(path):
    pid = int(path.read_text())
    for _ in range(500):
        if ended(pid):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path, make_reports):
    sink = CommandSink(f"sleep 60 & echo $! > {tmp_path}/child; wait", timeout_seconds=0.3)
    began = time.monotonic()
    with pytest.raises(ServiceError, match=r"not ended within 0\.3 s"):
        await sink.deliver(make_reports())
    assert time.monotonic() - began < 5
    assert await until_ended(tmp_path / "child")


async def test_a_child_that_stays_behind_is_not_waited_for(tmp_path, make_reports):
    began = time.monotonic()
    await sink_from(f"command:sleep 30 & echo $! > {tmp_path}/child").deliver(make_reports())
    assert time.monotonic() - began < 5
    os.kill(int((tmp_path / "child").read_text()), 9)


async def test_a_command_ends_when_its_batch_is_given_up(tmp_path, make_reports):
    sink = CommandSink(f"echo $$ > {tmp_path}/pid; sleep 60")
    task = asyncio.create_task(sink.deliver(make_reports()))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await until_ended(tmp_path / "pid")
