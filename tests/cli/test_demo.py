"""``demo``: its judge notices every kind of loss, and the real thing loses nothing."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from random import Random

import pytest

from statuspush.cli.demoing.journal import Journal
from statuspush.cli.demoing.voices import voice_report
from statuspush.core.kinds import VOICE_STATUS

PLAIN = [sys.executable, "-m", "statuspush", "demo", "--plain"]


@pytest.fixture
def journal():
    """Four reports of one customer accepted, two of them acknowledged, one of these twice."""
    journal = Journal(["a"], timed=["a"])
    journal.submitting("a", ["1", "2", "3", "4"])
    journal.accepted("a", ["1", "2", "3", "4"])
    journal.arrived("a", ["1", "2", "3"], 1)
    journal.acknowledged("a", ["1", "2"])
    journal.arrived("a", ["1"], 2)
    journal.acknowledged("a", ["1"])
    return journal


def test_the_judge_adds_up(journal):
    """Repeats and retries are counted, and only what is open is asked for."""
    assert journal.unacknowledged("a") == {"3", "4"}
    account = journal.settle("a", {"3": "waiting", "4": "exhausted"})
    assert (account.accepted, account.lost_count, account.strangers) == (4, 0, 0)
    assert account.states["delivered"] == 2
    assert account.states["waiting"] == account.states["exhausted"] == 1
    assert account.repeats == 1
    assert (journal.entries["a"].pushes, journal.entries["a"].retries) == (2, 1)


@pytest.mark.parametrize("word", [None, "delivered", "expired", "nonsense"])
def test_the_judge_believes_no_delivery_that_the_customer_did_not_see(journal, word):
    """A report that the service doesn't know, or says it has delivered, is lost."""
    account = journal.settle("a", {"3": word, "4": "sending"})
    assert (account.lost, account.lost_count) == (("3",), 1)


def test_the_judge_notices_what_nobody_submitted(journal):
    """A report can't come from nowhere."""
    journal.arrived("a", ["x"], 1)
    assert journal.settle("a", {"3": "waiting", "4": "waiting"}).strangers == 1


def test_a_submission_that_was_not_answered_is_not_judged(journal):
    """Only the 202 makes the service responsible."""
    journal.submitting("a", ["5"])
    assert journal.settle("a", {"3": "waiting", "4": "waiting"}).accepted == 4


def test_invented_reports_are_valid():
    """The core takes every one of them."""
    from zoneinfo import ZoneInfo

    from statuspush.core.report import read_submissions

    rng = Random(1)
    lines = [voice_report(rng, "a") for _ in range(500)]
    body = b"\n".join(line for _, line in lines)
    read = read_submissions(body, VOICE_STATUS, ndjson=True, tz=ZoneInfo("Asia/Shanghai"))
    assert [report.sid for report in read] == [sid for sid, _ in lines]
    assert any(report.mobile.startswith("+372") for report in read)


@pytest.mark.acceptance
def test_the_main_job_loses_nothing(tmp_path):
    """Six seconds of it without a terminal: exit status 0, and everything adds up."""
    done = subprocess.run(
        [*PLAIN, "--seconds", "6", "--retry-interval", "1", "--keep", tmp_path / "kept"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sentence = re.search(r"([\d,]+) accepted = (.*), lost: 0; sent again", done.stdout)
    assert sentence
    accepted = int(sentence[1].replace(",", ""))
    parts = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) [a-z]+", sentence[2])]
    assert accepted == sum(parts) > 500
    assert (tmp_path / "kept" / "statuspush.db").exists()
    seconds = [line for line in done.stdout.splitlines() if re.match(r" +\d+ s  ", line)]
    assert len(seconds) >= 5


@pytest.mark.acceptance
def test_ctrl_c_ends_with_the_reckoning():
    """And takes the service with it."""
    process = subprocess.Popen(PLAIN, stdout=subprocess.PIPE, text=True, start_new_session=True)
    shown = []
    for line in process.stdout:
        shown.append(line)
        if " accepted, " in line:
            break
    os.kill(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "lost: 0" in rest
    port = re.search(r"http://127\.0\.0\.1:(\d+)", "".join(shown))[1]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)))


@pytest.mark.acceptance
def test_as_json():
    """One document, and nothing else on stdout."""
    done = subprocess.run(
        [*PLAIN, "--json", "--seconds", "2"], capture_output=True, timeout=60, check=False
    )
    document = json.loads(done.stdout)
    assert (done.returncode, document["good"], document["service_exit_status"]) == (0, True, 0)
    assert {"big", "good", "slow", "dead", "wrong", "flaky"} == document["customers"].keys()


def test_a_directory_with_a_database_is_not_touched(cli, tmp_path):
    """It may be somebody's."""
    (tmp_path / "statuspush.db").write_bytes(b"mine")
    assert cli("demo", "--keep", tmp_path).exit_code == 2
