"""A request and its answer over a real connection: what goes out, what comes back, reuse."""

import asyncio
import re
from email.parser import Parser

import pytest

import statuspush
from statuspush.core.contract import PUSH_HEADERS
from statuspush.core.outcome import Answered, Cause, Unanswered
from statuspush.transport import InvalidHeader, pool
from statuspush.transport import client as client_module

SUCCESS = Answered(200, b"SUCCESS")


async def turns(count: int = 10) -> None:
    """Let the event loop handle what has arrived."""
    for _ in range(count):
        await asyncio.sleep(0.001)


async def test_what_goes_over_the_wire(serve, answering, answer, transport, request_for):
    """Request line, headers and body are exactly these."""
    server = await serve(answering(answer()))
    headers = [*PUSH_HEADERS, ("webhook-id", "push_1"), ("X-Name", "caf\xe9")]
    url = f"{server.url}/a%2Fb?x=1&y=\u00e9#part"
    assert await transport.post(request_for(url, b"voice_status=1", headers=headers)) == SUCCESS
    seen = server.requests[0]
    assert seen.line == "POST /callback/a%2Fb?x=1&y=%C3%A9 HTTP/1.1"
    assert seen.headers == [
        ("Host", f"127.0.0.1:{server.port}"),
        ("User-Agent", f"statuspush/{statuspush.__version__}"),
        ("Accept-Encoding", "identity"),
        *headers,
        ("Content-Length", "14"),
    ]
    assert seen.body == b"voice_status=1"


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 130_000, 524_288, 524_289, 3_000_000])
async def test_bodies_of_all_sizes_arrive_whole(
    size, serve, answering, answer, transport, request_for
):
    """Whatever way a body is written, it arrives unchanged, and the connection stays usable."""
    server = await serve(answering(answer()))
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    for _ in range(2):
        assert await transport.post(request_for(server.url, body)) == SUCCESS
    assert [seen.body == body for seen in server.requests] == [True, True]
    assert server.connections == 1


async def test_ten_posts_share_a_connection(serve, answering, answer, transport, request_for):
    """A kept-alive connection is used again."""
    server = await serve(answering(answer()))
    for _ in range(10):
        assert await transport.post(request_for(server.url)) == SUCCESS
    assert (server.connections, len(server.requests)) == (1, 10)


async def test_posts_at_once_have_connections_of_their_own(
    serve, answering, answer, transport, request_for
):
    """Requests are not pipelined: each answer belongs to its request."""

    async def echo(peer):
        while True:
            seen = await peer.request()
            await asyncio.sleep(0.01)
            await peer.send(answer(seen.body))

    server = await serve(echo)
    for _ in range(2):
        bodies = [b"%d" % number for number in range(20)]
        results = await asyncio.gather(
            *(transport.post(request_for(server.url, body)) for body in bodies)
        )
        assert [result.body for result in results] == bodies
    assert server.connections == 20


async def test_idle_limit_over_all_origins(serve, answering, answer, make_transport, request_for):
    """Beyond the limit the oldest idle connection is closed."""
    transport = make_transport(max_idle_connections=1)
    one, two = [await serve(answering(answer())) for _ in range(2)]
    for server in (one, two, two, one):
        assert await transport.post(request_for(server.url)) == SUCCESS
    assert (one.connections, two.connections) == (2, 1)


async def test_no_idle_connections_at_all(serve, answering, answer, make_transport, request_for):
    """With a limit of 0 every post has a connection of its own."""
    transport = make_transport(max_idle_connections=0)
    server = await serve(answering(answer()))
    for _ in range(3):
        assert await transport.post(request_for(server.url)) == SUCCESS
    assert server.connections == 3


async def test_idle_time(serve, answering, answer, make_transport, request_for, monkeypatch):
    """A connection that was idle for too long is not used, and the sweeper closes it."""
    closed = asyncio.Event()

    async def handle(peer):
        try:
            await answering(answer())(peer)
        finally:
            closed.set()

    monkeypatch.setattr(pool, "_SWEEP_SECONDS", 0.02)
    transport = make_transport(idle_seconds=0.03)
    server = await serve(handle)
    assert await transport.post(request_for(server.url)) == SUCCESS
    await asyncio.wait_for(closed.wait(), 3)
    assert await transport.post(request_for(server.url)) == SUCCESS
    assert server.connections == 2


async def test_old_connections_retire(
    serve, answering, answer, transport, request_for, monkeypatch
):
    """Beyond its age a connection is not used again, so that the name is looked up again."""
    monkeypatch.setattr(client_module, "MAX_CONNECTION_SECONDS", 0.0)
    server = await serve(answering(answer()))
    for _ in range(2):
        assert await transport.post(request_for(server.url)) == SUCCESS
    assert server.connections == 2


@pytest.mark.parametrize(
    "extra", ["Connection: close\r\n", "Keep-Alive: timeout=1\r\n", "Keep-Alive: timeout=0\r\n"]
)
async def test_server_announces_that_it_closes(
    extra, serve, answering, answer, transport, request_for
):
    """Such a connection is not used again, although it is still open."""
    server = await serve(answering(answer(extra=extra)))
    for _ in range(3):
        assert await transport.post(request_for(server.url)) == SUCCESS
    assert server.connections == 3


async def test_server_closes_idle_connection(serve, answer, transport, request_for):
    """Neither noticed nor unnoticed closes cost a send."""

    async def once(peer):
        await peer.request()
        await peer.send(answer())

    server = await serve(once)
    for _ in range(5):
        assert await transport.post(request_for(server.url)) == SUCCESS
        await turns()
    assert (server.connections, len(server.requests)) == (5, 5)


async def test_server_speaks_on_idle_connection(serve, answer, transport, request_for):
    """A second answer that nobody asked for is not taken for the next request's."""

    async def twice(peer):
        await peer.request()
        await peer.send(answer())
        await asyncio.sleep(0.01)
        await peer.send(answer(b"0"))
        await peer.hang()

    server = await serve(twice)
    assert await transport.post(request_for(server.url)) == SUCCESS
    await asyncio.sleep(0.03)
    assert await transport.post(request_for(server.url)) == SUCCESS
    assert server.connections == 2


async def test_second_answer_in_the_same_segment(serve, answering, answer, transport, request_for):
    """The first is the answer; the connection is dropped."""
    server = await serve(answering(answer() + answer(b"0")))
    for _ in range(2):
        assert await transport.post(request_for(server.url)) == SUCCESS
    assert server.connections == 2


async def test_interim_answers(serve, answering, answer, transport, request_for):
    """100 and 103 are skipped, in one segment with the answer or not."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    server = await serve(answering(interim, interim + answer()))
    for _ in range(2):
        assert await transport.post(request_for(server.url)) == SUCCESS
    assert server.connections == 1


async def test_chunked(serve, answering, transport, request_for):
    """A chunked body is put together and leaves the connection usable."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = await serve(answering(head, b"3\r\nSUC\r\n", b"4\r\nCESS\r\n", b"0\r\n\r\n"))
    for _ in range(2):
        assert await transport.post(request_for(server.url)) == SUCCESS
    assert server.connections == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_body_that_ends_with_the_connection(version, serve, transport, request_for):
    """The oldest kind of framing still works."""

    async def handle(peer):
        await peer.request()
        await peer.send(b"HTTP/%b 200 OK\r\n\r\nSUC" % version, b"CESS")

    server = await serve(handle)
    assert await transport.post(request_for(server.url)) == SUCCESS


@pytest.mark.parametrize("status", ["301 X", "302 X", "303 X", "307 X", "308 X"])
async def test_redirects_are_not_followed(status, serve, answering, answer, transport, request_for):
    """A redirect, to a metadata address or back to us, is the answer and leads nowhere."""
    target = await serve(answering(answer()))
    for location in ("http://169.254.169.254/latest/", target.url):
        server = await serve(answering(answer(b"", status, f"Location: {location}\r\n")))
        assert await transport.post(request_for(server.url)) == Answered(int(status[:3]), b"")
        assert len(server.requests) == 1
    assert target.connections == 0


async def test_addresses_are_tried_in_order(
    serve, answering, answer, make_transport, fake_resolver, request_for
):
    """When the first address refuses, the next one is used; all answers have been judged."""
    server = await serve(answering(answer()))
    transport = make_transport(resolver=fake_resolver(["127.0.0.9", "::1", "127.0.0.1"]))
    request = request_for(f"http://push.example:{server.port}/")
    assert await transport.post(request) == SUCCESS
    assert len(server.requests) == 1


async def test_all_addresses_refuse(make_transport, fake_resolver, request_for, unused_tcp_port):
    """The result names what the system said, and where."""
    transport = make_transport(resolver=fake_resolver(["127.0.0.9", "127.0.0.8"]))
    result = await transport.post(request_for(f"http://push.example:{unused_tcp_port}/?key=s3cret"))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.CONNECTION_REFUSED
    assert re.fullmatch(rf"127\.0\.0\.9:{unused_tcp_port}: Connection refused", result.detail)


@pytest.mark.parametrize(
    "url", ["ftp://example.com/?key=s3cret", "http://u:s3cret@127.0.0.1/", "http://a b/?s3cret"]
)
async def test_bad_url_is_a_result(url, transport, request_for):
    """Not an exception; and no secret of the URL is in its words."""
    result = await transport.post(request_for(url))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.INVALID_URL
    assert "s3cret" not in result.detail


async def test_bad_header_is_our_mistake(serve, answering, answer, transport, request_for):
    """Headers are checked when customers set them; here a bad one raises, before any connect."""
    server = await serve(answering(answer()))
    with pytest.raises(InvalidHeader):
        await transport.post(request_for(server.url, headers=[("X", "a\r\nY: b")]))
    assert server.connections == 0


async def test_smuggling_in_answer_headers_is_just_text(serve, answering, transport, request_for):
    """Odd but legal headers do not disturb."""
    raw = b"HTTP/1.1 200 OK\r\nX-Odd: \xff\xfe\r\nSet-Cookie: a=b\r\nContent-Length: 1\r\n\r\n0"
    server = await serve(answering(raw))
    for _ in range(2):
        assert await transport.post(request_for(server.url)) == Answered(200, b"0")
    assert not [name for seen in server.requests for name in seen.all("Cookie")]


async def test_request_head_is_well_formed(serve, answering, answer, transport, request_for):
    """Another parser reads our head the same way."""
    server = await serve(answering(answer()))
    await transport.post(request_for(server.url, headers=PUSH_HEADERS))
    text = "\r\n".join(f"{name}: {value}" for name, value in server.requests[0].headers)
    assert len(Parser().parsestr(text).items()) == 6


async def test_close_ends_requests_under_way(serve, transport, request_for):
    """They come back as interrupted, and so does what is posted later."""

    async def silent(peer):
        await peer.request()
        await peer.hang()

    server = await serve(silent)
    posts = [asyncio.create_task(transport.post(request_for(server.url))) for _ in range(5)]
    while len(server.requests) < 5:
        await asyncio.sleep(0.001)
    await transport.close()
    await transport.close()
    posts.append(asyncio.create_task(transport.post(request_for(server.url))))
    for result in await asyncio.gather(*posts):
        assert isinstance(result, Unanswered)
        assert result.cause is Cause.INTERRUPTED
    assert server.connections == 5


async def test_close_ends_connects_under_way(make_transport, request_for):
    """Also a lookup that hangs does not hold up the end."""

    class Hung:
        async def resolve(self, host, port):
            await asyncio.Event().wait()

    transport = make_transport(resolver=Hung())
    post = asyncio.create_task(transport.post(request_for("http://push.example/")))
    await turns(2)
    await transport.close()
    assert await post == Unanswered(Cause.INTERRUPTED, "the transport was closed")


async def test_cancelled_post(serve, answer, transport, request_for):
    """Cancellation gets through, and the connection is not used for another's request."""

    async def slow(peer):
        seen = await peer.request()
        await asyncio.sleep(0.05)
        await peer.send(answer(seen.body))
        await peer.hang()

    server = await serve(slow)
    post = asyncio.create_task(transport.post(request_for(server.url, b"first")))
    while not server.requests:
        await asyncio.sleep(0.001)
    post.cancel()
    with pytest.raises(asyncio.CancelledError):
        await post
    assert await transport.post(request_for(server.url, b"second")) == Answered(200, b"second")
    assert server.connections == 2
