"""``check``: what it says of a right endpoint, and of some that are wrong in a known way."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote_plus

import pytest

from statuspush.core.decode import NotAPush, decode


class Right:
    """An endpoint that does everything as it should; subclasses are wrong in one thing."""

    answer = b"SUCCESS"
    limit = 10_000_000

    def __init__(self, echo):
        self.echo = echo
        self.seen = set()

    def post(self, body):
        """(status, body) of the answer."""
        if len(body) > self.limit:
            return 413, b"too large"
        try:
            reports = self.understand(body)
        except (NotAPush, ValueError, KeyError):
            return self.refuse()
        self.keep(reports)
        return 200, self.answer

    def understand(self, body):
        return decode(body)

    def refuse(self):
        return 400, b"no push"

    def keep(self, reports):
        with self.echo.open("a") as file:
            for report in reports:
                if report["sid"] not in self.seen:
                    self.seen.add(report["sid"])
                    file.write(json.dumps(report) + "\n")


class Quotes(Right):
    answer = b'"SUCCESS"'


class Limited(Right):
    limit = 100_000


class AlwaysYes(Right):
    def refuse(self):
        return 200, b"SUCCESS"


class DecodesOnceMore(Right):
    def understand(self, body):
        return json.loads(unquote_plus(parse_qs(body.decode())["voice_status"][0]))


class HandlesTwice(Right):
    def keep(self, reports):
        self.seen.clear()
        super().keep(reports)


class Slow(Right):
    def post(self, body):
        time.sleep(1.1)
        return super().post(body)


class Crashes(Right):
    def refuse(self):
        return 500, b"Traceback"


@contextmanager
def serving(endpoint):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.answer(*endpoint.post(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_GET(self):
            self.answer(405, b"POST only")

        def do_PUT(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(405, b"POST only")

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/status"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def checked(cli, tmp_path):
    """Check an endpoint; the exit status and the cases by name."""

    def check(kind, *arguments):
        echo = tmp_path / "echo"
        echo.touch()
        with serving(kind(echo)) as url:
            given = [str(echo) if each == "ECHO" else each for each in arguments]
            result = cli("check", url, "--json", *given)
        document = json.loads(result.stdout)
        assert document["right"] is (result.exit_code == 0)
        return result.exit_code, {case["name"]: case for case in document["cases"]}

    return check


def test_a_right_endpoint_passes_with_every_field(checked):
    status, cases = checked(Right, "--echo-file", "ECHO")
    assert status == 0
    assert {case["grade"] for case in cases.values()} == {"ok"}
    assert {"robust", "double", "repeat", "full-robust", "slow", "get", "echo"} <= set(cases)


def test_quotation_marks_are_named(checked):
    status, cases = checked(Quotes, "--quick")
    assert status == 1
    assert "quotation marks" in cases["robust"]["advice"]
    assert "引号" in cases["robust"]["advice_zh"]


def test_a_limit_is_found_and_its_likely_cause_named(checked):
    status, cases = checked(Limited)
    assert status == 1
    assert "Express" in cases["size"]["advice"]
    assert "max_bytes to 9" in cases["size"]["advice"]


def test_who_acknowledges_rubbish_is_told(checked):
    status, cases = checked(AlwaysYes, "--quick")
    assert status == 1
    assert {cases[name]["grade"] for name in ("no-parameter", "not-json", "half")} == {"fail"}
    assert cases["robust"]["grade"] == "ok"


def test_a_crash_on_rubbish_is_a_warning(checked):
    status, cases = checked(Crashes, "--quick")
    assert status == 0
    assert cases["not-json"]["grade"] == "warn"


def test_decoding_once_too_often_is_seen_in_the_fields(checked):
    status, cases = checked(DecodesOnceMore, "--quick", "--echo-file", "ECHO")
    assert status == 1
    assert "URL-decoded once too often" in cases["echo-mobile"]["advice"]


def test_a_repeat_that_is_handled_twice_is_seen(checked):
    status, cases = checked(HandlesTwice, "--quick", "--echo-file", "ECHO")
    assert status == 1
    assert "2 times" in cases["echo-twice"]["advice"]


def test_what_was_acknowledged_and_is_not_there_is_missed(checked, tmp_path):
    (tmp_path / "nothing").touch()
    status, cases = checked(Right, "--quick", "--echo-file", str(tmp_path / "nothing"))
    assert status == 1
    assert "is not there" in cases["echo-missing"]["advice"]


def test_slowness_is_a_warning(checked):
    status, cases = checked(Slow, "--quick")
    assert status == 0
    assert "1.1 s" in cases["robust"]["advice"]


def test_of_an_endpoint_that_is_not_there_only_that_is_said(cli):
    result = cli("check", "http://127.0.0.1:1/", "--json")
    (case,) = json.loads(result.stdout)["cases"]
    assert result.exit_code == 1
    assert "nothing accepts connections" in case["advice"]


def test_people_get_lines_in_their_language(cli, tmp_path):
    with serving(Right(tmp_path / "echo")) as url:
        assert cli("check", url, "--quick").stdout.endswith("all right\n")
        assert cli("check", url, "--quick", "--lang", "zh").stdout.endswith("全部正确\n")


def test_an_echo_that_is_not_json_lines_is_said(cli, tmp_path):
    (tmp_path / "echo").write_text("hello\n")
    with serving(Right(tmp_path / "kept")) as url:
        result = cli("check", url, "--quick", "--echo-file", "echo")
    assert result.exit_code == 2
    assert "not JSON lines" in result.stderr
