"""Invented reports."""

from random import Random
from zoneinfo import ZoneInfo

from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.report import read_submissions
from statuspush.demo.voices import voice_report


def test_invented_reports_are_valid():
    """The core takes every one of them."""
    rng = Random(1)
    lines = [voice_report(rng, "a") for _ in range(500)]
    body = b"\n".join(line for _, line in lines)
    read = read_submissions(body, VOICE_STATUS, ndjson=True, tz=ZoneInfo("Asia/Shanghai"))
    assert [report.sid for report in read] == [sid for sid, _ in lines]
    assert any(report.mobile.startswith("+372") for report in read)
