"""The README's tour works as printed: its blocks run in a shell and print what stands there."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

SECONDS = 40


def _free_ports(count):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _steps(document):
    """(commands, what they print) of each step of the tour."""
    steps = []
    for language, content in document.blocks(document.between("tour")):
        if language == "sh":
            steps.append((content, ""))
        else:
            assert language in ("json", "text")
            steps[-1] = (steps[-1][0], content)
    return steps


def _settled(text):
    """The text with what differs from run to run put in one form."""
    for pattern, form in (
        (r"psh_[0-9a-z]{13}", "PUSH"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME"),
        (r'"duration_ms":\d+', '"duration_ms":N'),
        (r'"apikey":"[\w-]{43}"', '"apikey":"KEY"'),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    ):
        text = re.sub(pattern, form, text)
    return [line.rstrip() for line in text.splitlines()]


def _run(script, root, tmp_path):
    port, customer_port = _free_ports(2)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("STATUSPUSH_")}
    environ = {k: v for k, v in environ.items() if not k.lower().endswith("_proxy")}
    environ |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PORT": str(port),
        "CUSTOMER_PORT": str(customer_port),
        "TMPDIR": str(tmp_path),
        "LANG": "C.UTF-8",
    }
    process = subprocess.Popen(
        ["bash"],
        cwd=root,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        return process.communicate(script, timeout=SECONDS)[0], process.returncode
    finally:
        # Whatever the tour has started and not ended is in its session.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.acceptance
@pytest.mark.timeout(60)
def test_the_tour_prints_what_stands_in_the_readme(document, root, tmp_path):
    """Every block of the tour, in order, in one shell, with a real service and customer."""
    steps = _steps(document("README.md"))
    assert len(steps) >= 10
    script = "".join(f"echo '@@@ {n}'\n{commands}" for n, (commands, _) in enumerate(steps))
    printed, status = _run(script, root, tmp_path)
    assert status == 0, printed
    parts = re.split(r"^@@@ \d+\n", printed, flags=re.MULTILINE)[1:]
    assert len(parts) == len(steps), printed
    for (commands, expected), part in zip(steps, parts, strict=True):
        assert _settled(part) == _settled(expected), f"{commands}\n{part}"


def test_the_chinese_readme_has_the_same_blocks(document):
    """So what holds of one tour holds of the other."""
    english, chinese = document("README.md"), document("README.zh.md")
    assert _steps(chinese) == _steps(english)
    assert chinese.blocks()[1] == english.blocks()[1]


def test_the_two_commands_are_tasks_of_the_runner(document, root):
    """./dev knows them."""
    runner = (root / "dev").read_text()
    for name in ("README.md", "README.zh.md"):
        commands = dict(enumerate(document(name).blocks()))[1][1].split()
        assert commands == ["./dev", "demo", "./dev", "test"]
    for task in ("demo", "test"):
        assert f"    {task}) " in runner
