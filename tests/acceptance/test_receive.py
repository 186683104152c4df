"""``statuspush receive`` as a process: pushes in, reports out, whatever happens to it."""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.receiver.conftest import FORM, push
from tests.scaffolding import wait_for

from statuspush.core.contract import Wire
from statuspush.core.fragment import sample_fragments
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.wire import body as sent
from statuspush.launch import ListeningProcess

pytestmark = pytest.mark.acceptance


class Receiving(ListeningProcess):
    """The service in a directory; it can be killed and started again."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        super().__init__(directory, ["receive", *arguments], log="log", out="out")

    def get(self, path: str) -> tuple[int, bytes]:
        return self._request("GET", path, None)

    def push(self, body: bytes, path: str = "/voice") -> tuple[int, bytes]:
        return self._request("POST", path, body)

    def _request(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, FORM)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def out(self) -> list[dict[str, object]]:
        lines = self.out_path.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]


@pytest.fixture
def receiving(tmp_path) -> Iterator[type]:
    started = []

    def start(*arguments: str) -> Receiving:
        service = Receiving(tmp_path, *arguments)
        service.start()
        started.append(service)
        return service

    yield start
    for service in started:
        service.kill()


@pytest.mark.parametrize("wire", list(Wire))
def test_by_default_each_report_is_a_line_as_the_sender_meant_it(receiving, wire):
    service = receiving()
    assert service.push(sent(sample_fragments(VOICE_STATUS), wire, VOICE_STATUS)) == (
        200,
        b"SUCCESS",
    )
    wait_for("two lines", lambda: len(service.out()) == 2)
    for line, meant in zip(service.out(), VOICE_STATUS.samples, strict=True):
        assert list(line) == [
            *("sid", "uid", "user_receive_time", "duration"),
            *("error_msg", "mobile", "report_status"),
        ]
        assert line == {key: getattr(meant, key) for key in line}


def test_what_is_no_push_is_no_success(receiving):
    service = receiving()
    assert service.push(b"hello")[0] == 400
    assert service.get("/voice")[0] == 405
    assert service.get("/elsewhere")[0] == 404
    assert b'result="no_parameter"} 1.0' in service.get("/metrics")[1]


def test_half_a_body_is_never_acknowledged(receiving):
    service = receiving()
    with socket.create_connection(("127.0.0.1", service.port), 10) as client:
        client.sendall(b"POST /voice HTTP/1.1\r\nHost: r\r\nContent-Length: 1000\r\n\r\n")
        client.sendall(push("a"))
        client.shutdown(socket.SHUT_WR)
        assert b"SUCCESS" not in client.recv(1000)
    assert service.push(push("a")) == (200, b"SUCCESS")


def test_without_the_token_nothing_is_taken(receiving):
    service = receiving("--token", "acme=0123456789abcdef")
    assert service.push(push("a"))[0] == 401
    assert service.push(push("a"), "/voice/0123456789abcdef") == (200, b"SUCCESS")


def test_sigterm_is_a_clean_end(receiving):
    service = receiving()
    service.push(push("a"))
    assert service.stop() == 0
    assert [line["sid"] for line in service.out()] == ["a"]


def test_a_port_that_is_taken_is_said_in_a_line(receiving, tmp_path):
    service = receiving()
    (tmp_path / "second").mkdir()
    second = subprocess.run(
        [sys.executable, "-m", "statuspush", "receive", "--port", str(service.port)],
        cwd=tmp_path / "second",
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert b"cannot listen on" in second.stderr
    assert b"Traceback" not in second.stderr


def test_while_a_sink_is_down_pushes_are_taken_and_handed_on_later(receiving, tmp_path):
    command = tmp_path / "command.sh"
    command.write_text("test -e mended && cat >> taken\n")
    service = receiving("--to", f"command:sh {command}")
    for number in range(5):
        assert service.push(push(str(number))) == (200, b"SUCCESS")
    (tmp_path / "mended").touch()
    taken = tmp_path / "taken"
    wait_for("all", lambda: taken.exists() and taken.read_bytes().count(b"\n") == 5)
    sids = [json.loads(line)["sid"] for line in taken.read_bytes().splitlines()]
    assert sids == ["0", "1", "2", "3", "4"]


def killed(service: Receiving, kills: int) -> dict[str, int]:
    """Kill it again and again while four senders push; what was acknowledged is noted outside."""
    acknowledged: list[str] = []
    ended = threading.Event()

    def send(sender: int) -> None:
        number = 0
        while not ended.is_set():
            sids = [f"{sender}-{number}-{n}" for n in range(20)]
            with contextlib.suppress(OSError, http.client.HTTPException):
                if service.push(push(*sids)) == (200, b"SUCCESS"):
                    acknowledged.extend(sids)
                    number += 1

    senders = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for each in senders:
        each.start()
    try:
        for _ in range(kills):
            before = len(acknowledged)
            wait_for("pushes", lambda least=before + 400: len(acknowledged) >= least)
            service.kill()
            service.start()
    finally:
        ended.set()
        for each in senders:
            each.join()

    def kept() -> list[str]:
        files = sorted((service.directory / "kept").iterdir())
        lines = b"".join(file.read_bytes() for file in files).split(b"\n")
        return [json.loads(line)["sid"] for line in lines if line.endswith(b"}")]

    wait_for("all of them", lambda: set(acknowledged) <= set(kept()), seconds=30)
    handed_on = kept()
    return {
        "kills": kills,
        "acknowledged": len(acknowledged),
        "lost": len(set(acknowledged) - set(handed_on)),
        "repeated": len(handed_on) - len(set(handed_on)),
    }


def test_kill_9_under_load_loses_nothing_that_was_acknowledged(receiving):
    """Ten kills; with a sink what repeats is at most the batch that was under way."""
    result = killed(receiving("--to", "jsonl:kept"), 10)
    print(json.dumps(result))
    assert result["lost"] == 0
    assert result["repeated"] <= 10 * 500
