"""Sends through a proxy: a tunnel to the checked address, whatever the scheme."""

import asyncio
import base64
import contextlib
import ssl

import pytest
import trustme

from statuspush.core.errors import InputError
from statuspush.core.outcome import Answered, Cause, Unanswered
from statuspush.transport import AddressGuard, Transport
from statuspush.transport.proxy import parse_proxy

SUCCESS = Answered(200, b"SUCCESS")


async def tunnelling(peer):
    """A proxy: connects to where CONNECT says, then passes bytes both ways."""
    seen = await peer.head()
    host, _, port = seen.line.split(" ")[1].rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    await peer.send(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")

    async def copy(source, sink):
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()

    ways = [
        asyncio.ensure_future(copy(peer.reader, writer)),
        asyncio.ensure_future(copy(reader, peer.writer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        writer.transport.abort()


async def test_http_goes_through_a_tunnel(
    serve, answering, answer, make_transport, fake_resolver, request_for
):
    """CONNECT names the checked address; the request inside names the host."""
    server, proxy = await serve(answering(answer())), await serve(tunnelling)
    transport = make_transport(
        proxy=f"http://user:p%40ss@127.0.0.1:{proxy.port}", resolver=fake_resolver(["127.0.0.1"])
    )
    for _ in range(3):
        assert await transport.post(request_for(f"http://push.example:{server.port}/x")) == SUCCESS
    assert proxy.connections == server.connections == 1
    assert proxy.requests[0].line == f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"
    token = base64.b64encode(b"user:p@ss").decode()
    assert proxy.requests[0].all("Proxy-Authorization") == [f"Basic {token}"]
    assert server.requests[0].line == "POST /x HTTP/1.1"
    assert server.requests[0].all("Host") == [f"push.example:{server.port}"]
    assert not server.requests[0].all("Proxy-Authorization")


async def test_https_goes_through_a_tunnel(
    serve, answering, answer, make_transport, fake_resolver, request_for, tmp_path
):
    """TLS is spoken with the customer's server, not with the proxy."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("push.example").configure_cert(context)
    server, proxy = await serve(answering(answer()), tls=context), await serve(tunnelling)
    transport = make_transport(
        proxy=f"http://127.0.0.1:{proxy.port}",
        resolver=fake_resolver(["127.0.0.1"]),
        ca_file=str(tmp_path / "ca.pem"),
    )
    assert await transport.post(request_for(f"https://push.example:{server.port}/")) == SUCCESS
    result = await transport.post(request_for(f"https://other.example:{server.port}/"))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.TLS_FAILED
    assert len(server.requests) == 1


async def test_addresses_are_guarded_before_the_proxy_is_asked(
    serve, make_transport, fake_resolver, request_for
):
    """The proxy's own address is trusted, the customer's is not."""
    proxy = await serve(tunnelling)
    transport = make_transport(
        guard=AddressGuard(),
        proxy=f"http://127.0.0.1:{proxy.port}",
        resolver=fake_resolver(["10.0.0.1"]),
    )
    for url in ("http://push.example/", "http://127.0.0.1/", "https://[::1]/"):
        result = await transport.post(request_for(url))
        assert isinstance(result, Unanswered)
        assert result.cause is Cause.ADDRESS_REFUSED
    assert proxy.connections == 0


async def refusing(peer):
    await peer.head()
    await peer.send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")


async def talking_into_the_tunnel(peer):
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0")
    await peer.hang()


async def closing(peer):
    await peer.head()


async def resetting(peer):
    await peer.head()
    peer.reset()


async def talking_rubbish(peer):
    await peer.head()
    await peer.send(b"SSH-2.0-x\r\n\r\n")


async def flooding(peer):
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 10_000)
    await peer.hang()


async def hanging(peer):
    await peer.head()
    await peer.hang()


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (refusing, "status 407"),
        (talking_into_the_tunnel, "data into the tunnel"),
        (closing, "closed"),
        (resetting, "lost"),
        (talking_rubbish, "did not speak HTTP"),
        (flooding, "too long"),
        (hanging, "did not finish in time"),
    ],
)
async def test_proxy_that_fails(handler, words, serve, make_transport, request_for):
    """Its own cause, in words that hold neither its address nor its password."""
    proxy = await serve(handler)
    transport = make_transport(proxy=f"http://user:s3cret@127.0.0.1:{proxy.port}")
    seconds = 0.2 if handler is hanging else 10.0
    result = await transport.post(request_for("http://127.0.0.1:9/", connect_seconds=seconds))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.PROXY_FAILED
    assert words in result.detail
    assert "s3cret" not in result.detail
    assert str(proxy.port) not in result.detail


@pytest.mark.parametrize("place", ["127.0.0.1:{port}", "proxy.example:{port}"])
async def test_proxy_that_is_down(
    place, make_transport, fake_resolver, request_for, unused_tcp_port
):
    """Nothing listens there, found by address or by name."""
    transport = make_transport(
        proxy="http://" + place.format(port=unused_tcp_port),
        resolver=fake_resolver(["127.0.0.1"]),
    )
    result = await transport.post(request_for("http://127.0.0.1:9/"))
    assert result == Unanswered(Cause.PROXY_FAILED, "the proxy: Connection refused")


async def test_proxy_without_address(make_transport, fake_resolver, request_for):
    """A proxy whose name is unknown is the proxy's failure, not the customer's."""
    transport = make_transport(proxy="http://proxy.example:1", resolver=fake_resolver([]))
    result = await transport.post(request_for("http://127.0.0.1:9/"))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.PROXY_FAILED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "proxy:3128",
        "https://proxy:3128",
        "socks5://proxy:1080",
        "http://u:s3cret@",
        "http://u:s3cret@host:port",
        "http://u:s3cret@host:3128/path",
        "http://u:s3cret@ho st:3128",
    ],
)
def test_bad_setting(text):
    """Refused when the transport is made, without repeating the password."""
    with pytest.raises(InputError) as caught:
        Transport(guard=AddressGuard(), proxy=text)
    assert "s3cret" not in str(caught.value)


def test_password_is_not_in_repr():
    """The parsed setting may be logged."""
    proxy = parse_proxy("http://user:s3cret@proxy.example:3128")
    token = base64.b64encode(b"user:s3cret").decode()
    assert token in proxy.authorization.decode()
    assert "s3cret" not in repr(proxy)
    assert token not in repr(proxy)
