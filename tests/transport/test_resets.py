"""Connections that break, early or late: each post is one send, and a 413 is heard."""

import asyncio
import contextlib
import socket
import threading

import pytest

from statuspush.core.outcome import Answered, Cause, Unanswered

SUCCESS = Answered(200, b"SUCCESS")


def is_cause(result, cause: Cause) -> bool:
    return isinstance(result, Unanswered) and result.cause is cause


# -- resets: one send each, whenever they come --

CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nSUCC"


async def reset_at_once(peer):
    peer.server.requests.append(None)
    peer.reset()


async def reset_after_head(peer):
    await peer.head()
    peer.reset()


async def reset_after_body(peer):
    await peer.request()
    peer.reset()


async def reset_in_answer_head(peer):
    await peer.request()
    await peer.send(CUT[:20])
    await asyncio.sleep(0.02)
    peer.reset()


async def reset_in_answer_body(peer):
    await peer.request()
    await peer.send(CUT)
    await asyncio.sleep(0.02)
    peer.reset()


async def reset_in_body_without_length(peer):
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\nSUCCESS")
    await asyncio.sleep(0.02)
    peer.reset()


async def close_after_request(peer):
    await peer.request()


async def close_in_answer_body(peer):
    await peer.request()
    await peer.send(CUT)


async def close_in_chunks(peer):
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nSUCCESS\r\n")


@pytest.mark.parametrize(
    "handler",
    [
        reset_at_once,
        reset_after_head,
        reset_after_body,
        reset_in_answer_head,
        reset_in_answer_body,
        reset_in_body_without_length,
        close_after_request,
        close_in_answer_body,
        close_in_chunks,
    ],
)
@pytest.mark.parametrize("size", [100, 2_000_000])
async def test_lost_connection_is_one_send(handler, size, serve, transport, request_for):
    """A reset or an early close is a result, never a second send."""
    server = await serve(handler)
    result = await transport.post(request_for(server.url, bytes(size)))
    assert is_cause(result, Cause.CONNECTION_RESET)
    assert result.detail
    await asyncio.sleep(0.02)
    assert len(server.requests) == server.connections == 1


async def test_no_hidden_resend_on_a_reused_connection(serve, answer, transport, request_for):
    """Posts = requests seen, when the server drops each connection at its second request."""

    async def second_is_dropped(peer):
        await peer.request()
        await peer.send(answer())
        await peer.request()
        peer.reset()

    server = await serve(second_is_dropped)
    results = [await transport.post(request_for(server.url)) for _ in range(20)]
    assert results[::2] == [SUCCESS] * 10
    assert all(is_cause(result, Cause.CONNECTION_RESET) for result in results[1::2])
    assert (len(server.requests), server.connections) == (20, 10)


async def test_server_that_closes_right_after_each_answer(serve, answer, transport, request_for):
    """Posts without a pause race with the close: at most one request a post, none twice."""

    async def once(peer):
        await peer.request()
        await peer.send(answer())

    server = await serve(once)
    results = [await transport.post(request_for(server.url, b"%d" % n)) for n in range(100)]
    assert all(result == SUCCESS or is_cause(result, Cause.CONNECTION_RESET) for result in results)
    bodies = [seen.body for seen in server.requests]
    assert len(bodies) == len(set(bodies)) == sum(result == SUCCESS for result in results)


# -- answers before the request has been read --


@pytest.mark.parametrize("size", [1000, 280_000, 20_000_000])
@pytest.mark.parametrize("end", ["reset", "close", "hang"])
async def test_early_413(size, end, serve, answer, transport, request_for):
    """A server that refuses the body by its length is heard, however it ends the connection."""

    async def refuse(peer):
        await peer.head()
        await peer.send(answer(b"too large", "413 Payload Too Large"))
        if end == "reset":
            peer.reset()
        elif end == "hang":
            await peer.hang()

    server = await serve(refuse)
    for _ in range(5):
        result = await transport.post(request_for(server.url, bytes(size)))
        assert result == Answered(413, b"too large")


@pytest.mark.parametrize("size", [280_000, 20_000_000])
async def test_early_413_then_immediate_reset_from_another_thread(size, transport, request_for):
    """Also when answer and reset are there before our next look at the socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5)
    head = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    def run() -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                with peer:
                    peer.recv(1000)
                    peer.sendall(head)  # closing with unread data makes the kernel send RST

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        for _ in range(20):
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            assert await transport.post(request_for(url, bytes(size))) == Answered(413, b"")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


async def test_413_whose_body_is_cut(serve, transport, request_for):
    """The status of a 413 counts even when the reset cuts its body."""

    async def refuse(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 100\r\n\r\nlarge")
        await asyncio.sleep(0.02)
        peer.reset()

    server = await serve(refuse)
    result = await transport.post(request_for(server.url, bytes(2_000_000)))
    assert result == Answered(413, b"large", complete=False)


async def test_early_answer_ends_the_connection(serve, answer, transport, request_for):
    """What is left of the request is not sent into the next one."""

    async def early(peer):
        await peer.head()
        await peer.send(answer())
        await peer.hang()

    server = await serve(early)
    for _ in range(2):
        assert await transport.post(request_for(server.url, bytes(20_000_000))) == SUCCESS
    assert server.connections == 2
