"""Reports on the standard output."""

import json
import os
import sys

import pytest

from statuspush.receiver.sinks import sink_from


async def test_a_report_is_a_line(capfd, make_reports):
    reports = make_reports(3, note="a+b 50%")
    sink = sink_from("stdout")
    await sink.deliver(reports)
    lines = capfd.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [report.as_dict() for report in reports]


async def test_a_reader_that_has_gone_is_an_error(monkeypatch, make_reports):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        with pytest.raises(BrokenPipeError):
            await sink_from("stdout").deliver(make_reports())


async def test_after_a_torn_line_the_next_one_is_whole(monkeypatch, make_reports):
    """A pipe that is full and does not wait takes a part only."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "w") as writer:
        monkeypatch.setattr(sys, "stdout", writer)
        sink = sink_from("stdout")
        with pytest.raises(BlockingIOError):
            await sink.deliver(make_reports(1, note="x" * 200_000))
        torn = os.read(reader.fileno(), 200_000)
        assert not torn.endswith(b"\n")
        again = make_reports()
        await sink.deliver(again)
        assert os.read(reader.fileno(), 10_000) == b"\n" + again[0].json() + b"\n"
