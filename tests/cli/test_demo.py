"""``demo``: the real thing loses nothing, and says so."""

import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

PLAIN = [sys.executable, "-m", "statuspush", "demo", "--plain"]


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
