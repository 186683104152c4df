"""Submissions that are taken in the callbacks of the protocol, beside uvicorn's own requests."""

import asyncio
import dataclasses

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from statuspush.core.errors import ServiceError
from statuspush.store.base import Appended
from statuspush.web import body as bodies
from statuspush.web.app import create_app
from statuspush.web.front import Front

TYPE = "Content-Type: application/json"
BODY = b'[{"sid":"1"}]'
ACCEPTED = Appended(1, 0)


class Accepts:
    """Takes every body; answers immediately, or when it is released."""

    def __init__(self):
        self.bodies = []
        self.holds = False
        self._waiting = []

    def begin(self, body, kind, *, ndjson, done):
        self.bodies.append(body)
        if self.holds:
            self._waiting.append(done)
        else:
            done(ACCEPTED)

    def release(self, result=ACCEPTED):
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done(result)


class Transport(asyncio.Transport):
    """Keeps what is written and done, in order."""

    def __init__(self):
        super().__init__()
        self.writes = []
        self.closed = False

    def write(self, data):
        assert not self.closed
        self.writes.append(bytes(data))

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    @property
    def said(self):
        return b"".join(self.writes)

    @property
    def statuses(self):
        return [int(part[:3]) for part in self.said.split(b"HTTP/1.1 ")[1:]]


@pytest.fixture
def accepts():
    return Accepts()


@pytest.fixture
async def server(deps, accepts):
    """Makes connections to one server: a protocol, and the transport it writes to."""
    app = create_app(dataclasses.replace(deps, accept=accepts, max_intake_bytes=5000))
    http = Front(app.submissions)

    def connect(front=True):
        kind = http if front else HttpToolsProtocol
        config = uvicorn.Config(app, http=kind, lifespan="off", log_config=None)
        config.load()
        state = uvicorn.Server(config).server_state
        protocol, transport = kind(config, state, {}), Transport()
        protocol.connection_made(transport)
        return protocol, transport

    return connect


@pytest.fixture
def connection(server):
    return server()


@pytest.fixture
def request_of(token):
    """The bytes of a submission."""

    def make(body=BODY, *lines, version="1.1", length=True, authorization=f"Bearer {token}"):
        head = [
            f"POST /v1/reports HTTP/{version}",
            "Host: x",
            f"Authorization: {authorization}",
            *lines,
            *([f"Content-Length: {len(body)}"] if length else []),
        ]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body

    return make


async def settled():
    """Let tasks of uvicorn's own requests end."""
    for _ in range(50):
        await asyncio.sleep(0)


def answer_of(said):
    """Status, headers and body of the one answer."""
    head, _, body = said.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status, sorted(lines), body


def test_an_answer_is_one_write(connection, request_of):
    protocol, transport = connection
    protocol.data_received(request_of(BODY, TYPE))
    (answer,) = transport.writes
    assert answer.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert answer.endswith(b'\r\n\r\n{"accepted":1,"duplicates":0}')


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_a_request_may_arrive_in_any_pieces(connection, request_of, accepts, size):
    protocol, transport = connection
    for data in (request_of(BODY, TYPE), b"\r\n" + request_of(BODY)):
        for start in range(0, len(data), size):
            protocol.data_received(data[start : start + size])
    assert (transport.statuses, accepts.bodies) == ([202, 202], [BODY, BODY])


def test_a_request_with_the_head_of_one_before_is_taken_without_the_parser(
    connection, request_of, accepts
):
    protocol, transport = connection
    protocol.data_received(request_of(BODY))
    protocol.parser = None
    protocol.data_received(request_of(BODY[::-1]))
    assert (transport.statuses, accepts.bodies) == ([202, 202], [BODY, BODY[::-1]])


def test_a_known_head_is_known_on_every_connection(server, request_of):
    server()[0].data_received(request_of())
    protocol, transport = server()
    protocol.parser = None
    protocol.data_received(request_of())
    assert transport.statuses == [202]


@pytest.mark.parametrize("size", [1, 20, 100, 200])
async def test_known_and_pipelined_requests_follow_each_other_in_any_pieces(
    connection, request_of, accepts, size
):
    protocol, transport = connection
    protocol.data_received(request_of())
    pipelined = request_of() + request_of(b"[]") + request_of()
    for piece in (request_of(), pipelined[:size], pipelined[size:], request_of()):
        protocol.data_received(piece)
    await settled()
    assert accepts.bodies == [BODY, BODY, BODY, b"[]", BODY, BODY]
    assert transport.statuses == [202] * 6


async def test_what_follows_a_known_head_is_not_taken_for_its_body(connection, request_of, accepts):
    """A body of another length than the head says is two requests, or less than one."""
    protocol, transport = connection
    protocol.data_received(request_of())
    protocol.data_received(request_of() + request_of(b"[]"))
    await settled()
    protocol.data_received(request_of()[:-1])
    assert accepts.bodies == [BODY, BODY, b"[]"]
    protocol.data_received(BODY[-1:])
    assert accepts.bodies[-1] == BODY
    assert transport.statuses == [202] * 4


def test_a_head_with_a_wrong_token_is_refused_each_time(connection, request_of, accepts):
    protocol, transport = connection
    for _ in range(2):
        protocol.data_received(request_of(authorization="Bearer wrong"))
    assert (transport.statuses, accepts.bodies) == ([401, 401], [])


def test_a_known_head_is_refused_once_its_token_is_no_longer_the_operators(
    deps, accepts, request_of
):
    tokens = [deps.operator_token_hash()]
    app = create_app(
        dataclasses.replace(deps, accept=accepts, operator_token_hash=lambda: tokens[-1])
    )
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    protocol = Front(app.submissions)(config, uvicorn.Server(config).server_state, {})
    transport = Transport()
    protocol.connection_made(transport)
    protocol.data_received(request_of())
    tokens.append(b"another")
    protocol.data_received(request_of())
    assert transport.statuses == [202, 401]


def test_a_known_head_is_refused_while_shutting_down(connection, request_of, outside):
    protocol, transport = connection
    protocol.data_received(request_of())
    outside.draining = True
    protocol.data_received(request_of())
    assert transport.statuses == [202, 503]


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"lines": ["Content-Type: application/json; charset=utf-8"]},
        {"lines": ["Content-Type: text/plain"]},
        {"lines": ["Content-Type: text/plain", "Accept-Language: zh"]},
        {"lines": ["Content-Encoding: gzip"]},
        {"lines": ["Connection: close"]},
        {"lines": ["Content-Length: 99999999"], "length": False, "body": b""},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic x"},
        {"version": "1.0"},
        {"lines": ["Transfer-Encoding: chunked"], "length": False, "body": b"2\r\n[]\r\n0\r\n\r\n"},
    ],
)
async def test_answers_are_those_of_the_asgi_route(server, request_of, change, front):
    """Status, headers, body, and whether the connection stays open."""
    change = {"lines": [], **change}
    data = request_of(change.pop("body", BODY), *change.pop("lines"), **change)
    answers = []
    for by in (True, front):
        protocol, transport = server(front=by)
        protocol.data_received(data)
        await settled()
        answers.append((*answer_of(transport.said), transport.closed))
    assert answers[0] == answers[1]


async def test_the_errors_of_accepting_are_answered_as_problems(connection, request_of, accepts):
    protocol, transport = connection
    accepts.holds = True
    protocol.data_received(request_of(BODY, "Accept-Language: zh"))
    accepts.release(ServiceError("no"))
    assert transport.statuses == [503]
    assert b"content-language: zh" in transport.said


async def test_pipelined_requests_are_answered_in_their_order(connection, request_of, accepts):
    protocol, transport = connection
    accepts.holds = True
    get = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    protocol.data_received(request_of() + get)
    protocol.data_received(request_of(b"[]"))
    await settled()
    assert transport.writes == []
    accepts.release()
    await settled()
    accepts.release()
    await settled()
    assert transport.statuses == [202, 200, 202]
    assert accepts.bodies == [BODY, b"[]"]


async def test_a_submission_waits_for_a_request_before_it(connection, request_of, accepts):
    protocol, transport = connection
    protocol.data_received(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + request_of())
    assert accepts.bodies == []
    await settled()
    assert transport.statuses == [200, 202]


async def test_a_client_that_does_not_read_is_not_written_to_for_ever(connection, request_of):
    protocol, transport = connection
    protocol.data_received(request_of())
    protocol.pause_writing()
    protocol.data_received(request_of())
    await settled()
    assert len(transport.writes) == 1
    protocol.resume_writing()
    await settled()
    assert transport.statuses == [202, 202]


def test_a_client_that_expects_it_is_told_to_continue(connection, request_of):
    protocol, transport = connection
    data = request_of(BODY, "Expect: 100-continue")
    protocol.data_received(data[: -len(BODY)])
    assert transport.said == b"HTTP/1.1 100 Continue\r\n\r\n"
    protocol.data_received(BODY)
    assert transport.statuses == [100, 202]


def test_a_refused_client_is_not_told_to_continue(connection, request_of):
    protocol, transport = connection
    data = request_of(BODY, "Expect: 100-continue", authorization="Bearer wrong")
    protocol.data_received(data[: -len(BODY)])
    assert transport.statuses == [401]


def test_the_body_of_a_refused_request_is_skipped(connection, request_of, accepts):
    protocol, transport = connection
    data = request_of(authorization="Bearer wrong")
    protocol.data_received(data[:-5])
    protocol.data_received(data[-5:])
    protocol.data_received(request_of())
    assert (transport.statuses, accepts.bodies) == ([401, 202], [BODY])


async def test_a_body_that_does_not_arrive_in_time_ends_the_connection(
    connection, request_of, monkeypatch
):
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.0)
    protocol, transport = connection
    protocol.data_received(request_of()[:-5])
    await asyncio.sleep(0.005)
    assert (transport.statuses, transport.closed) == ([408], True)


def test_a_head_without_its_body_is_limited_in_time_too(connection, request_of):
    protocol, _ = connection
    protocol.data_received(request_of()[: -len(BODY)])
    assert protocol._submission._timer is not None


def test_bodies_that_arrive_together_may_not_exceed_the_intake(server, request_of):
    slow, _ = server()
    quick, transport = server()
    big = request_of(b" " * 6000)
    slow.data_received(big[:-100])
    quick.data_received(big[:-100])
    assert transport.statuses == [429]
    slow.connection_lost(None)
    other, transport = server()
    other.data_received(big[:-100])
    other.data_received(big[-100:])
    assert transport.statuses == [202]


def test_what_was_submitted_in_whole_is_stored_though_the_client_has_gone(
    connection, request_of, accepts
):
    protocol, transport = connection
    accepts.holds = True
    protocol.data_received(request_of())
    transport.close()
    protocol.connection_lost(None)
    accepts.release()
    assert (accepts.bodies, transport.writes) == ([BODY], [])


def test_a_shutdown_lets_a_submission_be_answered_and_closes(connection, request_of, accepts):
    protocol, transport = connection
    accepts.holds = True
    protocol.data_received(request_of())
    protocol.shutdown()
    assert not transport.closed
    accepts.release()
    assert b"connection: close" in transport.said
    assert (transport.statuses, transport.closed) == ([202], True)


def test_a_shutdown_closes_an_idle_connection(connection, request_of):
    protocol, transport = connection
    protocol.data_received(request_of())
    protocol.shutdown()
    assert transport.closed


async def test_an_idle_connection_is_closed_in_the_end(connection, request_of):
    protocol, transport = connection
    protocol.timeout_keep_alive = 0.02
    for _ in range(3):
        protocol.data_received(request_of())
        await asyncio.sleep(0.01)
    assert not transport.closed
    await asyncio.sleep(0.06)
    assert transport.closed


async def test_a_connection_is_not_idle_while_a_submission_is_stored(
    connection, request_of, accepts
):
    protocol, transport = connection
    protocol.timeout_keep_alive = 0.01
    protocol.data_received(request_of())
    accepts.holds = True
    protocol.data_received(request_of())
    await asyncio.sleep(0.03)
    assert not transport.closed
    accepts.release()
    assert transport.statuses == [202, 202]
    await asyncio.sleep(0.04)
    assert transport.closed


def test_what_looks_like_a_head_inside_a_body_is_not_learnt(connection, request_of, accepts):
    """Only a body that begins where the parser says so is a sign of where the head ended."""
    protocol, _ = connection
    chunk = b"2\r\n[]\r\n0\r\n\r\n"
    data = request_of(chunk, "Transfer-Encoding: chunked", length=False)
    protocol.data_received(b"\r\n\r\n" + data)
    protocol.data_received(data)
    assert protocol.front.heads._known == {}
    assert accepts.bodies == [b"[]", b"[]"]
