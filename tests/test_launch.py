"""Starting the real commands as child processes."""

import os
import signal
import socket
import urllib.request

import pytest

from statuspush.core.errors import ServiceError
from statuspush.launch import ListeningProcess, ServeProcess, last_lines

pytestmark = pytest.mark.acceptance


@pytest.fixture
def service(tmp_path):
    """A service that has not been started."""
    made = ServeProcess(tmp_path)
    yield made
    made.stop()


def status(service, path="/readyz"):
    with urllib.request.urlopen(f"{service.url}{path}", timeout=10) as answer:
        return answer.status


def test_it_is_ready_when_start_returns_and_drains_at_stop(service):
    service.start()
    assert (status(service), service.running) == (200, True)
    assert service.ready_seconds > 0
    assert (service.stop(), service.running) == (0, False)


def test_after_a_kill_it_starts_again_on_the_same_port_and_database(service):
    port = service.start().port
    service.kill()
    assert service.process.returncode == -signal.SIGKILL
    assert service.start().port == port
    assert status(service) == 200


def test_settings_of_the_person_are_left_out(service, monkeypatch):
    monkeypatch.setenv("STATUSPUSH_PORT", "not a port")
    (service.directory / "statuspush.db").touch()
    assert status(service.start()) == 200


def test_the_error_of_a_failed_start_has_the_end_of_the_log(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = ServeProcess(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(ServiceError, match="cannot listen on"):
            service.start()
    assert "cannot listen on" in last_lines(service.log_path)


def test_a_start_that_takes_too_long_is_an_error_and_stop_ends_it(service):
    with pytest.raises(ServiceError, match="not ready in time"):
        service.start(seconds=0)
    assert service.running
    service.stop()
    assert not service.running


def test_one_that_was_stopped_by_a_signal_still_ends(service):
    service.start()
    os.kill(service.pid, signal.SIGSTOP)
    assert service.stop() == 0


def test_a_check_of_one_that_has_ended_is_an_error(service):
    service.start()
    service.check()
    service.kill()
    with pytest.raises(ServiceError, match="ended with status -9"):
        service.check()


def test_a_receiver_is_started_the_same_way(tmp_path):
    receiver = ListeningProcess(tmp_path, ["receive"], log="log", out="out")
    try:
        assert receiver.start().port != 0
        assert status(receiver) == 200
    finally:
        assert receiver.stop() == 0
    assert f"receiving at http://127.0.0.1:{receiver.port}/voice" in receiver.log_path.read_text()


def test_one_that_was_never_started_can_be_stopped(tmp_path):
    assert ServeProcess(tmp_path).stop() == 0
