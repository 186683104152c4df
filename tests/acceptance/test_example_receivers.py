"""The example receivers in five languages take what senders send, and know it after a crash."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.acceptance.harness import ROOT, unavailable
from tests.scaffolding import wait_for

EXAMPLES = ROOT / "examples" / "receivers"


def interpreter(name: str) -> str:
    """Path of a program; without it the test is skipped, in CI failed."""
    path = shutil.which(name)
    if path is None:
        unavailable(f"needs {name}")
    assert path is not None
    return path


def php(directory: Path, port: int) -> list[str]:
    program = str(EXAMPLES / "php" / "receiver.php")
    command = [interpreter("php"), "-d", "enable_post_data_reading=0", "-S", f"127.0.0.1:{port}"]
    return [*command, program]


def node(directory: Path, port: int) -> list[str]:
    command, npm = interpreter("node"), interpreter("npm")
    copy = directory / "node"
    shutil.copytree(EXAMPLES / "node", copy, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund"],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if installed.returncode:
        unavailable(f"npm install failed: {installed.stdout}{installed.stderr}")
    return [command, str(copy / "receiver.js")]


def java(directory: Path, port: int) -> list[str]:
    return [interpreter("java"), str(EXAMPLES / "java" / "Receiver.java")]


def go(directory: Path, port: int) -> list[str]:
    command, program = interpreter("go"), directory / "receiver"
    source = EXAMPLES / "go" / "receiver.go"
    subprocess.run(
        [command, "build", "-o", program, source],
        # Its cache is beside the temporary files where there is no home.
        env={"HOME": str(directory), **os.environ},
        cwd=directory,
        check=True,
        timeout=100,
    )
    return [str(program)]


def python(directory: Path, port: int) -> list[str]:
    return [sys.executable, str(EXAMPLES / "python" / "receiver.py")]


LANGUAGES = [php, node, java, go, python]


@contextlib.contextmanager
def running(command: list[str], data: Path, port: int) -> Iterator[None]:
    """The receiver, from when it accepts connections; killed at the end, as a crash would."""
    with (data.parent / "receiver.log").open("a") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, "PORT": str(port), "DATA": str(data)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def accepts() -> bool:
        assert process.poll() is None, (data.parent / "receiver.log").read_text()
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True

    try:
        wait_for("the receiver accepts connections", accepts)
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The directory in which a receiver stores."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_passes_the_check(language: Callable[[Path, int], list[str]], tmp_path, data, port):
    command = language(tmp_path, port)
    with running(command, data, port):
        checked = subprocess.run(
            [
                *(sys.executable, "-m", "statuspush", "check", f"http://127.0.0.1:{port}/"),
                *("--echo-file", str(data / "reports.jsonl"), "--json"),
            ],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def push(port: int, *sids: str) -> bytes:
    text = urllib.parse.quote(json.dumps([{"sid": sid} for sid in sids]), safe="")
    return post(port, f"voice_status={text}".encode())


def post(port: int, body: bytes) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", data=body, timeout=30) as answer:
        return answer.read()


BREAKS = [
    {"sid": f"{wire}-{number}", "uid": None, "mobile": "+37258483726", "error_msg": text}
    for wire in ("robust", "plain", "double")
    for number, text in enumerate(["50%", "a+b", "%2B", "用户信号不佳、关机等", 'a "b" \\ c'])
]
"""What comes out wrong where a receiver decodes once too often or too seldom."""


def encoded(wire: str) -> bytes:
    reports = [report for report in BREAKS if str(report["sid"]).startswith(wire)]
    if wire == "robust":
        text = json.dumps(reports).replace("+", "\\u002b").replace("%", "\\u0025")
    else:
        text = json.dumps(reports, ensure_ascii=False)
    value = urllib.parse.quote(text, safe="")
    if wire == "double":
        value = urllib.parse.quote(value, safe="")
    return f"voice_status={value}".encode()


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_understands_every_wire_form(
    language: Callable[[Path, int], list[str]], tmp_path, data, port
):
    command = language(tmp_path, port)
    with running(command, data, port):
        for wire in ("robust", "plain", "double"):
            assert post(port, encoded(wire)).strip() in (b"SUCCESS", b"0")
        lines = (data / "reports.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == BREAKS


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_knows_after_a_crash_what_it_has(
    language: Callable[[Path, int], list[str]], tmp_path, data, port
):
    """Killed while it wrote a line: that is not there, everything acknowledged is, and once."""
    command = language(tmp_path, port)
    with running(command, data, port):
        assert push(port, "one", "two") == b"SUCCESS"
    with (data / "reports.jsonl").open("ab") as stored:
        stored.write(b'{"sid":"torn by a crash","mobile":"1520')
    with running(command, data, port):
        assert push(port, "two", "three", "three") == b"SUCCESS"
        lines = (data / "reports.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["sid"] for line in lines] == ["one", "two", "three"]
