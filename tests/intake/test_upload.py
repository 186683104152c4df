"""Uploading: batches, order, patience, mistakes by line, and that a repeat is harmless."""

import json
import time
from collections import defaultdict

import pytest

TOKEN = "operator-token-of-the-tests"
BUSY = (429, {"Retry-After": "0"}, {"title": "Too much at once", "detail": "try later"})


@pytest.fixture
def submit(cli, intake):
    """Call submit against the fake service; --json unless told otherwise."""

    def call(*arguments, summary=True):
        flags = ["--json"] if summary else []
        result = cli("submit", *arguments, *flags, "--service", intake.url, "--token", TOKEN)
        if summary:
            result.summary = json.loads(result.stdout)
        return result

    return call


def by_account(reports):
    accounts = defaultdict(list)
    for report in reports:
        accounts[report["account"]].append(report)
    return accounts


def test_a_file_goes_in_batches_of_1000(submit, intake, ndjson, reports):
    """And comes out as it was; the summary counts."""
    given = reports(2500, accounts=1)
    result = submit(ndjson(given))
    assert result.exit_code == 0
    assert result.summary["accepted"] == 2500
    assert result.summary["complete"] is True
    assert intake.reports == given
    assert [len(call.lines) for call in intake.calls] == [1000, 1000, 500]


@pytest.mark.parametrize("jobs", [1, 2, 7])
def test_each_accounts_order_is_kept(submit, intake, ndjson, reports, jobs):
    """Whatever the number of connections, and although answers take different times."""
    plain = intake.answer
    intake.answer = lambda call: (time.sleep(len(call.body) % 3 / 100), plain(call))[1]
    given = reports(3000, accounts=13)
    assert submit(ndjson(given), "--jobs", jobs, "--batch", 50).exit_code == 0
    assert by_account(intake.reports) == by_account(given)


def test_all_formats_hand_in_the_same(submit, intake, tmp_path, reports):
    """So the second and third are duplicates."""
    import csv

    given = reports(300)
    (tmp_path / "r.json").write_text(json.dumps(given, indent=1))
    (tmp_path / "r.ndjson").write_text("\n".join(map(json.dumps, given)))
    with (tmp_path / "r.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(given[0]))
        writer.writeheader()
        writer.writerows(given)
    assert submit("r.csv").summary["accepted"] == 300
    assert submit("r.json").summary["duplicates"] == 300
    assert submit("r.ndjson").summary["duplicates"] == 300
    assert by_account(intake.reports) == by_account(given)


@pytest.mark.parametrize(
    "later", [BUSY, (503, {}, b"shutting down"), (502, {}, b"<html>"), None], ids=str
)
def test_a_service_that_is_busy_or_away_is_asked_again(
    submit, intake, ndjson, reports, later, monkeypatch
):
    """The same batch, in its place: nothing is lost, doubled or out of order."""
    monkeypatch.setattr("statuspush.intake.upload._FIRST_PAUSE", 0.01)
    intake.later = [later] * 3
    given = reports(250, accounts=1)
    result = submit(ndjson(given), "--batch", 100)
    assert result.summary["accepted"] == 250
    assert intake.reports == given
    assert "trying again in" in result.stderr


def test_a_batch_whose_answer_got_lost_is_sent_again(submit, intake, ndjson, reports, monkeypatch):
    """Its reports were accepted, so now they are duplicates."""
    monkeypatch.setattr("statuspush.intake.upload._FIRST_PAUSE", 0.01)
    plain, calls = intake.answer, []

    def accept_but_hang_up_once(call):
        answer = plain(call)
        calls.append(call)
        return None if len(calls) == 1 else answer

    intake.answer = accept_but_hang_up_once
    result = submit(ndjson(reports(10)), "--jobs", 1)
    assert (result.summary["accepted"], result.summary["duplicates"]) == (0, 10)
    assert len(intake.reports) == 10


def test_retry_after_is_obeyed(submit, intake, ndjson, reports):
    """Not earlier, and not much later."""
    intake.later = [(429, {"Retry-After": "1"}, {})]
    began = time.monotonic()
    submit(ndjson(reports(1)))
    assert 1.0 <= time.monotonic() - began < 5


def test_patience_ends(submit, ndjson, intake, reports):
    """With status 1 and how to go on."""
    intake.later = [(503, {}, {"detail": "full disk"})] * 100
    result = submit(ndjson(reports(1)), "--patience", "0.1", summary=False)
    assert result.exit_code == 1
    assert "gave up after 0 s: HTTP 503 full disk. Run the same command again" in result.stderr


def test_mistakes_are_told_with_lines_of_the_file(submit, intake, ndjson, reports):
    """The upload stops at the refused batch; what was before it is in."""
    given = reports(400, accounts=1)
    given[250]["mobile"] = given[270]["mobile"] = "wrong"
    result = submit(ndjson(given), "--batch", 100, summary=False)
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "line 251: mobile: must be a number\nline 271: mobile: must be a number\nstopped: "
    )
    assert "200 accepted, 0 duplicates, 2 refused" in result.stdout
    assert intake.reports == given[:200]


def test_skip_invalid_hands_in_the_rest(submit, intake, ndjson, reports):
    """Also when there are more mistakes than the service lists at once."""
    given = reports(1500, accounts=1)
    wrong = set(range(0, 500, 2)) | {1200}
    for index in wrong:
        given[index]["mobile"] = "wrong"
    result = submit(ndjson(given), "--skip-invalid")
    assert result.exit_code == 0
    assert (result.summary["accepted"], result.summary["refused"]) == (1500 - 251, 251)
    assert [error["line"] for error in result.summary["errors"]] == [i + 1 for i in sorted(wrong)]
    assert intake.reports == [r for i, r in enumerate(given) if i not in wrong]


def test_lines_that_are_no_reports_are_mistakes_too(submit, intake, tmp_path, reports):
    """Found before they are sent; they stop or are skipped as the others."""
    given = [json.dumps(report) for report in reports(5, accounts=1)]
    (tmp_path / "r.ndjson").write_text("\n".join([*given[:3], "{oops", *given[3:]]))
    stopped = submit("r.ndjson")
    assert (stopped.exit_code, stopped.summary["complete"]) == (1, False)
    assert stopped.summary["errors"][0]["line"] == 4
    skipped = submit("r.ndjson", "--skip-invalid")
    assert (skipped.exit_code, skipped.summary["accepted"]) == (0, 5)


def test_a_file_that_is_cut_off_hands_in_what_is_there(submit, intake, tmp_path, reports):
    """And says so, with status 2."""
    (tmp_path / "r.json").write_text(json.dumps(reports(250, accounts=1))[:-1])
    result = submit("r.json", "--batch", 100, summary=False)
    assert (result.exit_code, len(intake.reports)) == (2, 250)
    assert "the file seems cut off" in result.stderr


def test_a_repeat_is_harmless(submit, intake, ndjson, reports):
    """What was interrupted is completed by running it again."""
    given = reports(300, accounts=1)
    submit(ndjson(given[:120], "part.ndjson"))
    summary = submit(ndjson(given)).summary
    assert (summary["accepted"], summary["duplicates"]) == (180, 120)
    assert intake.reports == given
