"""Only public addresses are called, whatever way the address is written or comes about."""

import asyncio
from ipaddress import ip_address, ip_network

import pytest

from statuspush.core.outcome import Answered, Cause, Unanswered
from statuspush.transport import AddressGuard, PostRequest
from statuspush.transport.dial import Dialer

REACHES_LOOPBACK = [
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7F.1", "0177.0.0.1"),
    *("017700000001", "0x7f.0x0.0x0.0x1", "127.0.0.1.", "127.1.2.3", "0", "0.0.0.0", "0x0"),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "localhost"),
]

REFUSED = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255"),
    *("100.100.100.200", "127.0.0.1", "127.255.255.255", "168.63.129.16", "169.254.0.1"),
    *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1"),
    *("192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1"),
    *("64:ff9b::169.254.169.254", "64:ff9b:1::1", "64:ff9b:1::8.8.8.8", "100::1", "2001::1"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:20::1", "2001:db8::1"),
    *("2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::1", "3fff::1", "5f00::1", "fc00::1"),
    *("fd00:ec2::254", "fe80::1", "fe80::1%1", "fec0::1", "ff02::1", "4000::1", "1::1"),
    *("2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1"),
]

PERMITTED = [
    *("1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1"),
    *("192.0.1.1", "198.17.255.255", "198.20.0.1", "223.255.255.255", "11.0.0.1", "128.0.0.1"),
    *("2606:4700:4700::1111", "2400:3200::1", "2001:4860:4860::8888", "2a00:1450::1"),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"),
]


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    """No address of these is public."""
    assert not AddressGuard().permits(ip_address(text))


@pytest.mark.parametrize("text", PERMITTED)
def test_permitted(text):
    """These are public, up to the edges of the refused ranges."""
    assert AddressGuard().permits(ip_address(text))


def test_allow_list():
    """An allowed network is permitted, an IPv4 one also in its mapped spelling, nothing else."""
    guard = AddressGuard([ip_network("127.0.0.0/8"), ip_network("fd00::/8")])
    for text in ("127.0.0.1", "::ffff:127.0.0.1", "fd12::1"):
        assert guard.permits(ip_address(text))
    for text in ("10.0.0.1", "::1", "64:ff9b::127.0.0.1", "::127.0.0.1", "2002:7f00:1::"):
        assert not guard.permits(ip_address(text))


@pytest.mark.parametrize("host", REACHES_LOOPBACK)
async def test_no_spelling_of_loopback_is_connected_to(
    host, serve, answering, answer, make_transport, request_for
):
    """A server on loopback sees no connection, however its address is spelled."""
    server = await serve(answering(answer()))
    transport = make_transport(guard=AddressGuard())
    result = await transport.post(request_for(f"http://{host}:{server.port}/"))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.ADDRESS_REFUSED
    assert server.connections == 0


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:7f00:1]"])
async def test_the_same_spellings_connect_when_allowed(
    host, serve, answering, answer, transport, request_for
):
    """The control: without the guard these spellings do reach the server."""
    server = await serve(answering(answer()))
    result = await transport.post(request_for(f"http://{host}:{server.port}/"))
    assert result == Answered(200, b"SUCCESS")
    assert server.connections == 1


@pytest.mark.parametrize("text", REFUSED)
async def test_a_name_that_leads_to_it_is_refused(text, make_transport, fake_resolver, monkeypatch):
    """The answer of the name server is judged, and nothing is connected to."""
    connects = []

    async def connect(*args):
        connects.append(args)
        raise AssertionError

    monkeypatch.setattr(Dialer, "_connect", connect)
    transport = make_transport(guard=AddressGuard(), resolver=fake_resolver([text]))
    result = await transport.post(PostRequest("http://push.example/", [], b""))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.ADDRESS_REFUSED
    assert text not in result.detail
    assert not connects


@pytest.mark.parametrize("answer_", [["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"]])
async def test_mixed_answer_is_refused_whole(
    answer_, serve, answering, answer, make_transport, fake_resolver, request_for
):
    """One refused address among public ones refuses all."""
    server = await serve(answering(answer()))
    transport = make_transport(guard=AddressGuard(), resolver=fake_resolver(answer_))
    result = await transport.post(request_for(f"http://push.example:{server.port}/"))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.ADDRESS_REFUSED
    assert server.connections == 0


async def test_rebinding(serve, answering, answer, make_transport, fake_resolver, request_for):
    """Connects go to the checked address; the next lookup's loopback address is refused.

    127.0.0.2 plays the public address here: it is allowed, 127.0.0.1 is not.
    """
    server = await serve(answering(answer()))
    resolver = fake_resolver(["127.0.0.2"], ["127.0.0.1"])
    guard = AddressGuard([ip_network("127.0.0.2/32")])
    transport = make_transport(guard=guard, resolver=resolver)
    request = request_for(f"http://push.example:{server.port}/")
    first = await transport.post(request)  # nothing listens on 127.0.0.2
    second = await transport.post(request)
    assert isinstance(first, Unanswered)
    assert first.cause is Cause.CONNECTION_REFUSED
    assert "127.0.0.2" in first.detail
    assert isinstance(second, Unanswered)
    assert second.cause is Cause.ADDRESS_REFUSED
    assert resolver.asked == ["push.example"] * 2  # one lookup a send: no second one to rebind
    assert server.connections == 0


async def test_pinned_address_keeps_the_name_in_host(
    serve, answering, answer, make_transport, fake_resolver, request_for
):
    """The connection goes to the address, the Host header names the host."""
    server = await serve(answering(answer()))
    resolver = fake_resolver(["127.0.0.1"])
    transport = make_transport(resolver=resolver)
    url = f"http://Push.Example:{server.port}/"
    assert await transport.post(request_for(url)) == Answered(200, b"SUCCESS")
    assert server.requests[0].all("Host") == [f"push.example:{server.port}"]
    assert await transport.post(request_for(url)) == Answered(200, b"SUCCESS")
    assert resolver.asked == ["push.example"]  # none while the connection lives
    await asyncio.sleep(0)
