"""``statuspush bench`` for real: short, but every process of it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from statuspush.bench.processes import family

pytestmark = pytest.mark.acceptance
COMMAND = [sys.executable, "-m", "statuspush", "bench", "--json"]


def _environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("STATUSPUSH_")}


def test_it_measures_and_loses_nothing(tmp_path):
    """One document: three works, each with figures and a limit; nothing is left behind."""
    done = subprocess.run(
        [*COMMAND, "--seconds", "1", "--directory", tmp_path],
        capture_output=True,
        text=True,
        env=_environment(),
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert document["good"]
    assert document["fdatasync_ms"]["p50"] > 0
    assert set(document["works"]) == {"even", "large", "single"}
    for work in document["works"].values():
        assert work["reports"] >= work["pushes"] > 0
        assert (work["lost"], work["misdirected"], work["exit_status"]) == (0, 0, 0)
        assert work["reports_per_second"] > 100
        assert work["cpu_us_per_report"] > work["load_us_per_report"] > 0
        assert work["memory_mb"] > 30
        assert work["shares"]["store"] > 0
        assert work["limit"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_nothing(tmp_path, number):
    """No file, no process; not status 0."""
    process = subprocess.Popen(
        [*COMMAND, "--seconds", "60", "--directory", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
    )
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("*/load.log")) and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        time.sleep(0.5)
        children = set(family(process.pid)) - {process.pid}
        assert len(children) >= 3
    finally:
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert list(tmp_path.iterdir()) == []
    for pid in children:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_its_help_teaches_by_example():
    """And lists what can be chosen."""
    done = subprocess.run(
        [*COMMAND[:-1], "--help"],
        capture_output=True,
        text=True,
        env={**_environment(), "COLUMNS": "160", "NO_COLOR": "1"},
        timeout=60,
        check=True,
    )
    _, _, after = done.stdout.partition("Examples")
    assert "statuspush bench --directory" in after
    assert all(flag in done.stdout for flag in ("--seconds", "--json", "--lang", "--directory"))


def test_a_directory_that_is_not_there_is_said():
    """In one line, with status 2."""
    done = subprocess.run(
        [*COMMAND, "--directory", "/nowhere"],
        capture_output=True,
        text=True,
        env=_environment(),
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "statuspush: /nowhere is not a directory\n")
