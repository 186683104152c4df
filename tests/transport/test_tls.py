"""TLS: the right certificate works; with any other one not a byte of the push goes out."""

import asyncio
import datetime
import ssl

import pytest
import trustme

from statuspush.core.errors import InputError
from statuspush.core.outcome import Answered, Cause, Unanswered

NAME = "push.example"
SUCCESS = Answered(200, b"SUCCESS")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority that the transports of this file trust."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path) -> str:
    """Its certificate in a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def tls_transport(make_transport, fake_resolver, ca_file):
    """Trusts the authority and finds every name on loopback."""
    return make_transport(resolver=fake_resolver(["127.0.0.1"]), ca_file=ca_file)


async def test_right_certificate(authority, tls_transport, serve, answering, answer, request_for):
    """Name and authority match: the push goes through, and the connection is used again."""
    context = server_context(authority.issue_cert(NAME))
    server = await serve(answering(answer()), tls=context)
    request = request_for(f"https://{NAME}:{server.port}/", bytes(200_000))
    for _ in range(3):
        assert await tls_transport.post(request) == SUCCESS
    assert server.connections == 1
    assert server.requests[0].all("Host") == [f"{NAME}:{server.port}"]
    assert server.requests[0].body == bytes(200_000)


async def test_certificate_for_an_address(
    authority, tls_transport, serve, answering, answer, request_for
):
    """An https URL with an address needs a certificate for that address."""
    context = server_context(authority.issue_cert("127.0.0.1"))
    server = await serve(answering(answer()), tls=context)
    assert await tls_transport.post(request_for(f"https://127.0.0.1:{server.port}/")) == SUCCESS


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expired", "expired"),
        ("wrong host", "Hostname mismatch"),
        ("wrong address", "IP address mismatch"),
        ("self-signed", "certificate"),
        ("unknown authority", "certificate"),
    ],
)
async def test_wrong_certificate(
    kind, words, authority, tls_transport, serve, answering, answer, request_for
):
    """Refused with the reason, before a byte of the push could be read by the server."""
    received = bytearray()

    async def collect(peer):
        while data := await peer.reader.read(65536):
            received.extend(data)

    host = NAME
    if kind == "expired":
        yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        certificate = authority.issue_cert(
            NAME, not_before=yesterday - datetime.timedelta(days=9), not_after=yesterday
        )
    elif kind == "wrong host":
        certificate = authority.issue_cert("other.example")
    elif kind == "wrong address":
        certificate = authority.issue_cert("127.0.0.2")
        host = "127.0.0.1"
    else:  # an authority that signs for itself, and that nobody trusts
        certificate = trustme.CA().issue_cert(NAME)
    server = await serve(collect, tls=server_context(certificate))
    result = await tls_transport.post(request_for(f"https://{host}:{server.port}/?key=s3cret"))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.TLS_FAILED
    assert words in result.detail
    assert "s3cret" not in result.detail
    await asyncio.sleep(0.02)
    assert not received


async def test_public_authorities_do_not_sign_for_ours(
    authority, make_transport, fake_resolver, serve, answering, answer, request_for
):
    """Without the CA file the same server is refused."""
    context = server_context(authority.issue_cert(NAME))
    server = await serve(answering(answer()), tls=context)
    transport = make_transport(resolver=fake_resolver(["127.0.0.1"]))
    result = await transport.post(request_for(f"https://{NAME}:{server.port}/"))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.TLS_FAILED
    assert not server.requests


async def test_old_tls(authority, tls_transport, serve, answering, answer, request_for):
    """TLS 1.1 is refused."""
    context = server_context(authority.issue_cert(NAME))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    server = await serve(answering(answer()), tls=context)
    result = await tls_transport.post(request_for(f"https://{NAME}:{server.port}/"))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.TLS_FAILED
    assert not server.requests


async def test_https_to_a_server_without_tls(tls_transport, serve, answering, answer, request_for):
    """Plain HTTP where TLS was expected."""

    async def plain(peer):
        await peer.reader.read(100)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = await serve(plain)
    result = await tls_transport.post(request_for(f"https://{NAME}:{server.port}/"))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.TLS_FAILED


async def test_server_closes_in_the_handshake(tls_transport, serve, request_for):
    """A close instead of a handshake."""

    async def close(peer):
        await peer.reader.read(100)

    server = await serve(close)
    result = await tls_transport.post(request_for(f"https://{NAME}:{server.port}/"))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.TLS_FAILED
    assert "closed" in result.detail


async def test_hung_handshake(tls_transport, serve, request_for):
    """The connect limit covers the handshake."""

    async def hang(peer):
        await peer.hang()

    server = await serve(hang)
    url = f"https://{NAME}:{server.port}/"
    result = await tls_transport.post(request_for(url, connect_seconds=0.1))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.CONNECT_TIMEOUT
    assert "TLS handshake" in result.detail


async def test_deadline_and_loss_over_tls(authority, tls_transport, serve, request_for):
    """Timeouts and cut answers are the same over TLS as without."""

    async def hang(peer):
        await peer.request()
        await peer.hang()

    async def cut(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nSUCC")

    context = server_context(authority.issue_cert(NAME))
    for handler, cause in ((hang, Cause.TIMEOUT), (cut, Cause.CONNECTION_RESET)):
        server = await serve(handler, tls=context)
        url = f"https://{NAME}:{server.port}/"
        result = await tls_transport.post(request_for(url, timeout_seconds=0.3))
        assert isinstance(result, Unanswered)
        assert result.cause is cause


async def test_cancelled_in_the_handshake(tls_transport, serve, request_for):
    """Cancellation gets through and leaves nothing open."""

    async def hang(peer):
        await peer.hang()

    server = await serve(hang)
    post = asyncio.create_task(tls_transport.post(request_for(f"https://{NAME}:{server.port}/")))
    while not server.connections:
        await asyncio.sleep(0.001)
    post.cancel()
    with pytest.raises(asyncio.CancelledError):
        await post


def test_unusable_ca_file(make_transport_now, tmp_path):
    """A CA file that is missing or no certificate is an error of the settings."""
    bad = tmp_path / "bad.pem"
    bad.write_text("not a certificate")
    for path in (str(tmp_path / "missing.pem"), str(bad)):
        with pytest.raises(InputError, match="CA file"):
            make_transport_now(ca_file=path)


@pytest.fixture
def make_transport_now():
    """Make a transport outside of any loop."""
    from statuspush.transport import AddressGuard, Transport

    return lambda **settings: Transport(guard=AddressGuard(), **settings)
