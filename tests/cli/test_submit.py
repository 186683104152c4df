"""``submit``: stdin, wrong calls, progress on a terminal, and Ctrl-C."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time

import pytest

TOKEN = "operator-token-of-the-tests"


def test_stdin(process, intake, reports):
    """With --account for reports that name none."""
    given = reports(5, accounts=1)
    lines = "\n".join(json.dumps({k: r[k] for k in r if k != "account"}) for r in given)
    flags = ["--account", "a0", "--service", intake.url, "--token", TOKEN]
    done = process("submit", "-", *flags, stdin=lines.encode())
    assert done.returncode == 0
    assert done.stdout.startswith(b"5 accepted, 0 duplicates, 0 refused in ")
    assert intake.reports == given


def test_no_service_at_all(cli, ndjson, reports):
    """Is the same as one that is away."""
    flags = ["--service", "http://127.0.0.1:1", "--token", TOKEN, "--patience", "0"]
    result = cli("submit", ndjson(reports(1)), *flags)
    assert result.exit_code == 1
    assert "no service answers at http://127.0.0.1:1" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["r.ndjson", "--service", "localhost"], "--service must look like"),
        (["nowhere.csv", "--token", TOKEN], "nowhere.csv: No such file"),
        (["r.ndjson"], "the service asks for its operator token"),
    ],
)
def test_a_wrong_call_is_refused(cli, ndjson, reports, arguments, words):
    """Status 2, one line."""
    ndjson(reports(1))
    result = cli(
        "submit", *arguments, **({"STATUSPUSH_TOKEN": TOKEN} if "--service" in arguments else {})
    )
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert words in result.stderr


def test_a_wrong_token_is_told_at_once(cli, serve, ndjson, reports):
    """Trying again would not help."""
    server = serve(lambda call: (401, {}, {"detail": "the operator token is wrong"}))
    result = cli("submit", ndjson(reports(5)), "--service", server.url, "--token", "x")
    assert result.exit_code == 2
    assert "the operator token is wrong: check --token" in result.stderr


def on_a_terminal(arguments, interrupt_when):
    """Run with a terminal as stderr and stdout; Ctrl-C when the event is set."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "statuspush", *map(str, arguments)],
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
    )
    os.close(child)
    shown = bytearray()

    def watch():
        while True:
            try:
                piece = os.read(parent, 65536)
            except OSError:
                return
            if not piece:
                return
            shown.extend(piece)

    watcher = threading.Thread(target=watch)
    watcher.start()
    if interrupt_when is not None:
        assert interrupt_when.wait(30)
        process.send_signal(signal.SIGINT)
    status = process.wait(30)
    watcher.join(5)
    os.close(parent)
    return status, shown.decode()


def test_a_person_sees_a_progress_bar(intake, ndjson, reports):
    """With bytes of the file and reports a second; a pipe sees none."""
    arguments = ["submit", ndjson(reports(500)), "--service", intake.url, "--token", TOKEN]
    status, shown = on_a_terminal(arguments, None)
    assert status == 0
    assert "500 reports" in shown
    assert "500 accepted" in shown


def test_ctrl_c_says_how_to_go_on(intake, ndjson, reports):
    """Status 130, as shells expect of an interrupted command."""
    plain, begun = intake.answer, threading.Event()

    def slow(call):
        if len(intake.calls) > 2:
            begun.set()
            time.sleep(0.3)
        return plain(call)

    intake.answer = slow
    file = ndjson(reports(3000, accounts=1))
    flags = ["--batch", "100", "--jobs", "1", "--service", intake.url, "--token", TOKEN]
    status, shown = on_a_terminal(["submit", file, *flags], begun)
    assert status == 130
    assert "interrupted after 200 reports; run the same command again" in shown


def test_ctrl_c_ends_the_wait_for_a_silent_pipe(intake):
    """Although a thread hangs in read()."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "statuspush",
            "submit",
            "-",
            "--service",
            intake.url,
            "--token",
            TOKEN,
        ],
        stdin=reading,
        stderr=subprocess.PIPE,
    )
    os.close(reading)
    # The first line makes it read on; only then is the reader surely waiting.
    os.write(writing, b"\n")
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=10)
    os.close(writing)
    assert process.returncode in (130, -signal.SIGINT)
    assert b"Fatal" not in told
