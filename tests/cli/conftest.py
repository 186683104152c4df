"""The command line, run in this process or in one of its own, and a service that is a fake."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from statuspush.cli.app import app

TOKEN = "operator-token-of-the-tests"


@pytest.fixture(autouse=True)
def _a_clean_environment(tmp_path, monkeypatch):
    """No settings of the developer's own; help is as wide as it needs to be."""
    for name in [name for name in os.environ if name.startswith("STATUSPUSH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli():
    """Call the command line in this process; the result has exit_code, stdout, stderr."""
    runner = CliRunner()

    def call(*arguments, **environ):
        result = runner.invoke(app, [str(a) for a in arguments], env=environ or None)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def process():
    """Call the command line in a process of its own, with bytes on its stdin."""

    def call(*arguments, stdin=b"", timeout=60):
        return subprocess.run(
            [sys.executable, "-m", "statuspush", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )

    return call


@dataclass
class Call:
    """A request that came."""

    method: str
    path: str
    headers: dict
    """By name in lower case."""
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def lines(self):
        return [json.loads(line) for line in self.body.splitlines()]


@dataclass
class Server:
    """An HTTP server on a free port; ``answer`` decides what each request gets.

    It takes a :class:`Call` and returns a status, headers, and a body (bytes, or what becomes
    JSON); None cuts the connection.
    """

    answer: Callable
    calls: list = field(default_factory=list)
    url: str = ""


@pytest.fixture
def serve():
    """Start servers; they end with the test."""
    running = []

    def start(answer):
        server = Server(answer)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = Call(self.command, self.path, headers, body)
                server.calls.append(call)
                given = server.answer(call)
                if given is None:
                    self.close_connection = True
                    return
                status, headers, content = given
                if not isinstance(content, bytes):
                    content = json.dumps(content).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

            def log_message(self, *_):
                pass

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((http, thread))
        server.url = f"http://127.0.0.1:{http.server_port}"
        return server

    yield start
    for http, thread in running:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture
def intake(serve):
    """A fake of ``POST /v1/reports`` that keeps what it accepts, in order, and dedupes by sid."""

    def accept(call):
        assert (call.method, call.path) == ("POST", "/v1/reports")
        assert call.headers["content-type"] == "application/x-ndjson"
        assert call.headers["authorization"] == f"Bearer {TOKEN}"
        if server.later:
            return server.later.pop(0)
        errors = [
            {"index": index, "field": "mobile", "message": "must be a number"}
            for index, report in enumerate(call.lines)
            if report["mobile"] == "wrong"
        ]
        if errors:
            detail = {"detail": "wrong", "errors": errors[:100], "error_count": len(errors)}
            return 422, {"content-type": "application/problem+json"}, detail
        with server.lock:
            new = [r for r in call.lines if (r["account"], r["sid"]) not in server.seen]
            server.seen |= {(r["account"], r["sid"]) for r in new}
            server.reports += new
        return 202, {}, {"accepted": len(new), "duplicates": len(call.lines) - len(new)}

    server = serve(accept)
    server.lock = threading.Lock()
    server.later = []
    server.seen = set()
    server.reports = []
    return server


@pytest.fixture
def reports():
    """Make reports that a platform could have submitted."""

    def make(count, accounts=3, **changes):
        return [
            {
                "account": f"a{i % accounts}",
                "sid": f"sid-{i}",
                "uid": None if i % 3 else f"order,{i}",
                "user_receive_time": "2024-05-17 10:22:33",
                "duration": i % 60,
                "error_msg": '用户"信号"不佳、关机等' if i % 2 else None,
                "mobile": "+37258483726",
                "report_status": "SUCCESS",
                **changes,
            }
            for i in range(count)
        ]

    return make


@pytest.fixture
def ndjson(tmp_path):
    """Write reports to a file of JSON lines."""

    def write(reports, name="r.ndjson"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(report) + "\n" for report in reports))
        return path

    return write
