"""The reader of answers, fed with bytes: no socket involved."""

import pytest

from statuspush.core.outcome import Answered, Cause, Unanswered
from statuspush.transport.answer import MAX_BODY_BYTES, MAX_HEAD_BYTES, AnswerReader


def read(data: bytes, *, step: int | None = None) -> AnswerReader:
    """Feed bytes, whole or in pieces, until there is an outcome."""
    reader = AnswerReader()
    pieces = [data] if step is None else [data[i : i + step] for i in range(0, len(data), step)]
    for piece in pieces:
        reader.feed(piece)
        if reader.outcome is not None:
            break
    return reader


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nSUCCESS"


@pytest.mark.parametrize("step", [None, 1, 2, 7, 64])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (OK, Answered(200, b"SUCCESS")),
        (OK.replace(b"\r\n", b"\n"), Answered(200, b"SUCCESS")),
        (b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", Answered(200, b"")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Answered(204, b"")),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", Answered(302, b"")),
        (b"HTTP/1.1 999 X\r\nContent-Length: 1\r\n\r\n0", Answered(999, b"0")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3;a=b\r\nSUC\r\n4\r\nCESS\r\n0\r\nTrailer: x\r\n\r\n",
            Answered(200, b"SUCCESS"),
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
            Answered(200, b"SUCCESS"),
        ),
        (
            b"HTTP/1.1 103 Early Hints\r\nContent-Encoding: br\r\n\r\n" + OK,
            Answered(200, b"SUCCESS"),
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
            Answered(200, b"\x1f\x8b", content_encoding="gzip"),
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 1\r\n\r\n0",
            Answered(200, b"0"),
        ),
    ],
)
def test_answers(data, expected, step):
    """The result does not depend on how the bytes are cut into segments."""
    assert read(data, step=step).outcome == expected


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"SUCCESS",
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"<html>",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n0",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 17 + OK,
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_HEAD_BYTES,
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * MAX_HEAD_BYTES,
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_HEAD_BYTES + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 " + b"a" * MAX_HEAD_BYTES,
        b"\r\n" * MAX_HEAD_BYTES,
    ],
)
@pytest.mark.parametrize("step", [None, 4096])
def test_not_an_http_answer(data, step):
    """What cannot be an answer is refused, with words, at once."""
    outcome = read(data, step=step).outcome
    assert isinstance(outcome, Unanswered)
    assert outcome.cause is Cause.INVALID_RESPONSE
    assert outcome.detail


@pytest.mark.parametrize("extra", [-1, 0, 1, 1000])
def test_body_limit(extra):
    """64 KiB are whole; one byte more is cut and says so."""
    size = MAX_BODY_BYTES + extra
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    outcome = read(head + b"a" * size).outcome
    assert isinstance(outcome, Answered)
    assert outcome.complete is (extra <= 0)
    assert len(outcome.body) == min(size, MAX_BODY_BYTES)


def test_full_body_in_chunks_of_one_byte():
    """The limit on bytes of the wire leaves room for the worst honest framing."""
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    data += b"1\r\na\r\n" * MAX_BODY_BYTES + b"0\r\n\r\n"
    assert read(data, step=65536).outcome == Answered(200, b"a" * MAX_BODY_BYTES)


@pytest.mark.parametrize(
    "flood", [b"1;" + b"x" * 50 + b"\r\na\r\n", b"0\r\nX: " + b"a" * 2**20, b"0\r\n" + b"X: a\r\n"]
)
def test_floods_around_the_body_are_cut(flood):
    """Chunk extensions and trailers cannot go on for ever."""
    reader = AnswerReader()
    reader.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    reader.feed(flood)
    rest = flood.removeprefix(b"0\r\n") if flood.startswith(b"0") else flood
    for _ in range(2**21 // len(rest)):
        if reader.outcome is not None:
            break
        reader.feed(rest)
    assert isinstance(reader.outcome, Answered)
    assert not reader.outcome.complete


@pytest.mark.parametrize(
    ("data", "complete"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nSUCCESS", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nSUCCESS", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nSUCCESS\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nSUCCESS", False),
        (b"HTTP/1.1 200 OK\r\nContent-", False),
        (b"", False),
    ],
)
def test_connection_closed_in_order(data, complete):
    """Only a body without length and chunks may end with the connection."""
    outcome = read(data).ended()
    if complete:
        assert outcome == Answered(200, b"SUCCESS")
    else:
        assert isinstance(outcome, Unanswered)
        assert outcome.cause is Cause.CONNECTION_RESET


def test_413_survives_a_reset():
    """The status of a 413 is all the sender needs; any other cut answer is a reset."""
    head = b"HTTP/1.1 %d X\r\nContent-Length: 9\r\n\r\nabc"
    assert read(head % 413).broken("reset") == Answered(413, b"abc", complete=False)
    for status in (200, 400, 500):
        outcome = read(head % status).broken("reset")
        assert isinstance(outcome, Unanswered)
        assert outcome.cause is Cause.CONNECTION_RESET


@pytest.mark.parametrize(
    ("data", "keep_alive", "seconds"),
    [
        (OK, True, None),
        (OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), False, None),
        (OK.replace(b"OK\r\n", b"OK\r\nKeep-Alive: timeout=5, max=100\r\n"), True, 5),
        (OK.replace(b"OK\r\n", b"OK\r\nKeep-Alive: max=1, TIMEOUT = 7\r\n"), True, 7),
        (OK.replace(b"OK\r\n", b"OK\r\nKeep-Alive: timeout=x\r\n"), True, None),
        (OK.replace(b"HTTP/1.1", b"HTTP/1.0"), False, None),
        (OK.replace(b"200", b"413"), False, None),
        (OK.replace(b"1.1 200 OK\r\n", b"1.0 200 OK\r\nConnection: keep-alive\r\n"), True, None),
    ],
)
def test_keep_alive(data, keep_alive, seconds):
    """What the server says about the connection is heard."""
    reader = read(data)
    assert (reader.keep_alive, reader.keep_alive_seconds) == (keep_alive, seconds)


def test_one_answer_after_another():
    """A reader serves all answers of a connection; nothing of one leaks into the next."""
    reader = AnswerReader()
    reader.feed(OK.replace(b"OK\r\n", b"OK\r\nKeep-Alive: timeout=5\r\nContent-Encoding: br\r\n"))
    assert reader.outcome == Answered(200, b"SUCCESS", content_encoding="br")
    reader.start()
    reader.feed(b"HTTP/1.1 500 Oops\r\nContent-Length: 1\r\n\r\nx")
    assert reader.outcome == Answered(500, b"x")
    assert reader.keep_alive_seconds is None


@pytest.mark.parametrize("surplus", [OK, b"HTTP", b"garbage"])
def test_bytes_after_the_answer(surplus):
    """They do not change the answer, but the connection is not to be used again."""
    reader = read(OK + surplus)
    assert reader.outcome == Answered(200, b"SUCCESS")
    assert reader.surplus


def test_an_answer_like_the_last_one_is_read_without_the_parser():
    reader = read(OK)
    reader._parser = None
    reader.start()
    reader.feed(OK)
    assert (reader.outcome, reader.keep_alive) == (Answered(200, b"SUCCESS"), True)


def test_the_keep_alive_time_is_that_of_the_answer_also_when_it_is_repeated():
    reader = read(OK.replace(b"Content", b"Keep-Alive: timeout=7\r\nContent"))
    again = OK.replace(b"Content", b"Keep-Alive: timeout=7\r\nContent")
    reader.start()
    reader.feed(again)
    assert reader.keep_alive_seconds == 7


@pytest.mark.parametrize(
    "again",
    [OK.replace(b"7", b"8"), OK + OK, OK[:-1], OK.replace(b"SUCCESS", b"FAILED!"), OK + b"X"],
)
def test_an_answer_that_only_begins_like_the_last_one_is_parsed(again):
    reader, fresh = read(OK), read(again)
    reader.start()
    reader.feed(again)
    assert (reader.outcome, reader.surplus) == (fresh.outcome, fresh.surplus)


@pytest.mark.parametrize("step", [1, 5, 30])
def test_an_answer_in_pieces_after_a_whole_one_is_parsed(step):
    reader = read(OK)
    for _ in range(2):
        reader.start()
        for start in range(0, len(OK), step):
            reader.feed(OK[start : start + step])
        assert reader.outcome == Answered(200, b"SUCCESS")


def test_the_end_of_an_answer_is_not_taken_for_the_last_one():
    """What is compared is the whole answer, not a segment of it."""
    reader = read(OK)
    reader.start()
    reader.feed(OK.replace(b"7", str(len(OK)).encode())[: -len(b"SUCCESS")])
    reader.feed(OK)
    assert reader.outcome == Answered(200, OK)


def test_an_answer_after_which_the_server_closes_is_parsed_each_time():
    closing = OK.replace(b"Content", b"Connection: close\r\nContent")
    assert not read(closing).keep_alive
    assert read(closing)._last_data == b""
