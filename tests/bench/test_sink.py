"""The cheap customer keeps every body as it came, however it came."""

import socket

import pytest

from statuspush.bench.child import Child
from statuspush.bench.sink import SinkJournal


def _push(body):
    return b"POST /acme HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


@pytest.fixture
def sink(tmp_path):
    """A running sink with a connection to it: send(pieces) -> what it answered; end() -> bodies."""
    child = Child("statuspush.bench.sink", str(tmp_path / "journal"), log=tmp_path / "log")
    connection = socket.create_connection(("127.0.0.1", int(child.hear(20))), timeout=10)

    class Sink:
        def send(self, *pieces, answers):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                connection.sendall(piece)
            got = b""
            while got.count(b"SUCCESS") < answers:
                got += connection.recv(4096)

        def end(self):
            child.stop()
            return [(path, body) for _, path, body in SinkJournal.read(tmp_path / "journal")]

    yield Sink()
    connection.close()
    child.stop()


def test_pushes_are_kept(sink):
    """Whole, in pieces, several at once, and large ones."""
    large = b"x" * 700_000
    sink.send(_push(b"one"), answers=1)
    two = _push(b"two")
    sink.send(two[:10], two[10:-1], two[-1:], answers=1)
    sink.send(_push(b"three") + _push(b"") + _push(b"five")[:20], _push(b"five")[20:], answers=3)
    sink.send(_push(large), answers=1)
    bodies = [b"one", b"two", b"three", b"", b"five", large]
    assert sink.end() == [("/acme", body) for body in bodies]
