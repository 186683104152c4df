"""Invented reports are valid, different, and lead back to their number and account."""

import json
from zoneinfo import ZoneInfo

import pytest

from statuspush.bench.reports import Plan, stamped
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.report import read_submissions

ZONE = ZoneInfo("Asia/Shanghai")


def _reports(plan, requests):
    templates = plan.templates("token")
    for number in range(requests):
        head, _, body = stamped(templates[number % len(templates)], number).partition(b"\r\n\r\n")
        assert b"Authorization: Bearer token" in head
        assert f"Content-Length: {len(body)}".encode() in head
        yield from read_submissions(body, VOICE_STATUS, ndjson=False, tz=ZONE)


@pytest.mark.parametrize(("accounts", "per_request"), [(7, 1), (3, 10), (10, 10), (6, 4)])
def test_every_report_leads_back(accounts, per_request):
    """The core takes every one, sids differ, accounts come in turn."""
    plan = Plan([f"a{n}" for n in range(accounts)], per_request, "new")
    reports = list(_reports(plan, 30))
    assert len({report.sid for report in reports}) == 30 * per_request
    assert [plan.number(report.sid) for report in reports] == list(range(30 * per_request))
    assert [plan.account(n) for n in range(len(reports))] == [r.account for r in reports]
    assert len({report.mobile for report in reports}) == len(reports)
    body = "[" + ",".join(map(plan.report, range(len(reports)))) + "]"
    assert list(read_submissions(body.encode(), VOICE_STATUS, ndjson=False, tz=ZONE)) == reports


def test_reports_are_a_mixture():
    """Failed calls with their text, numbers abroad, with and without uid."""
    reports = list(_reports(Plan(["a"], 60, "new"), 1))
    assert {report.report_status for report in reports} == {"SUCCESS", "FAIL"}
    assert any(report.mobile.startswith("+372") for report in reports)
    assert any(report.uid is None for report in reports)
    assert any(report.error_msg for report in reports)


@pytest.mark.parametrize(
    "sid", ["", "new", "old00000000000000000000", "new0000000000000000000x", "1"]
)
def test_a_foreign_sid_has_no_number(sid):
    """It is none of this plan's."""
    assert Plan(["a"], 1, "new").number(sid) is None


def test_a_template_is_one_request():
    """With whole JSON."""
    (template,) = Plan(["a", "b"], 2, "t").templates("x")
    body = stamped(template, 3).partition(b"\r\n\r\n")[2]
    assert [report["account"] for report in json.loads(body)] == ["a", "b"]
