"""The library's examples run in their frameworks, as printed."""

import os
import socket
import subprocess
import sys

import pytest
from tests.acceptance.harness import ROOT
from tests.scaffolding import wait_for

EXAMPLES = ROOT / "examples" / "frameworks"
PRINTED = (
    "b3f2a9c1d4e84f60a7c5e2d190b8f7a6 SUCCESS +8615205201314 2024-05-17 10:22:33+08:00",
    "0c7d5e8f1a2b4c3d9e6f708192a3b4c5 FAIL +37258483726 2024-05-17 10:23:05+08:00",
)
PYTHON = sys.executable
SERVERS = {
    "fastapi": (PYTHON, "-m", "uvicorn", "fastapi_app:app", "--port", "{port}"),
    "starlette": (PYTHON, "-m", "uvicorn", "starlette_app:app", "--port", "{port}"),
    "flask": (PYTHON, "-m", "waitress", "--listen", "127.0.0.1:{port}", "flask_app:app"),
    "django": (PYTHON, str(EXAMPLES / "django_app.py"), "runserver", "--noreload", "{port}"),
}


@pytest.mark.acceptance
@pytest.mark.parametrize("framework", SERVERS)
def test_a_push_is_acknowledged_and_handled(framework, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [part.format(port=port) for part in SERVERS[framework]]
    out, log = tmp_path / "out", tmp_path / "log"
    with out.open("wb") as stdout, log.open("wb") as stderr:
        server = subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(EXAMPLES), "PYTHONUNBUFFERED": "1"},
            stdout=stdout,
            stderr=stderr,
        )
    try:

        def accepts() -> bool:
            assert server.poll() is None, log.read_text()
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True

        wait_for("it listens", accepts)
        for _ in range(2):
            sent = subprocess.run(
                [PYTHON, "-m", "statuspush", "send", f"http://127.0.0.1:{port}/voice"],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert sent.returncode == 0, sent.stdout + sent.stderr + log.read_text()
        wait_for("both are handled", lambda: all(line in out.read_text() for line in PRINTED))
        assert [out.read_text().count(line) for line in PRINTED] == [1, 1]
    finally:
        server.kill()
        server.wait()
