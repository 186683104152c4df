"""The outgoing HTTP proxy: its setting, and the tunnel through it (RFC 9110 section 9.3.6)."""

import asyncio
import base64
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import unquote

from statuspush.core.errors import InputError
from statuspush.core.url import InvalidUrl, ParsedUrl, validate_url

_MAX_HEAD_BYTES: Final = 16 * 1024


class ProxyError(Exception):
    """The proxy did not open the tunnel; the message has neither its address nor its password."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where the proxy is and how to authenticate to it."""

    url: ParsedUrl
    """Its address; trusted, because the operator set it."""
    authorization: bytes = field(default=b"", repr=False)
    """The Proxy-Authorization header line with CR LF, or nothing."""


def parse_proxy(text: str) -> Proxy:
    """Read the setting ``http://[user:password@]host:port``.

    Args:
        text: the setting; user and password may be percent-encoded.

    Returns:
        Its parts.

    Raises:
        InputError: it is not of that form. The message does not repeat it.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() != "http":
        raise InputError("the proxy must be given as http://[user:password@]host:port")
    userinfo, at, place = rest.rpartition("@")
    try:
        url = validate_url(f"http://{place}")
    except InvalidUrl as error:
        raise InputError(f"the proxy cannot be used: {error}") from None
    if url.target != "/":
        raise InputError("the proxy must be given without a path")
    if not at:
        return Proxy(url)
    user, _, password = userinfo.partition(":")
    token = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode())
    return Proxy(url, b"Proxy-Authorization: Basic " + token + b"\r\n")


async def open_tunnel(
    transport: asyncio.Transport,
    tunnel: "TunnelProtocol",
    proxy: Proxy,
    address: IPv4Address | IPv6Address,
    port: int,
) -> None:
    """Ask the proxy for a tunnel to an address.

    The proxy gets the address we checked, not the name: it must not look the name up again.

    Args:
        transport: the connection to the proxy, whose protocol is ``tunnel``.
        tunnel: that protocol.
        proxy: the proxy.
        address: where the tunnel goes.
        port: and to which port.

    Raises:
        ProxyError: no tunnel; the message says why.
    """
    host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    place = f"{host}:{port}".encode("ascii")
    transport.write(
        b"CONNECT "
        + place
        + b" HTTP/1.1\r\nHost: "
        + place
        + b"\r\n"
        + proxy.authorization
        + b"\r\n"
    )
    head = await tunnel.head
    version, _, rest = head.partition(b" ")
    status = rest[:3]
    if not version.startswith(b"HTTP/1.") or not status.isdigit():
        raise ProxyError("the proxy did not speak HTTP")
    if not status.startswith(b"2"):
        raise ProxyError(f"the proxy refused the tunnel with status {status.decode()}")


class TunnelProtocol(asyncio.Protocol):
    """Collects the proxy's answer to CONNECT; then the connection gets another protocol."""

    def __init__(self) -> None:
        """Make the protocol; needs a running loop."""
        self.head: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        """The head of the answer as it came; fails with ProxyError."""
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        """Bytes of the proxy's answer."""
        self._buffer += data
        head, end, surplus = self._buffer.partition(b"\r\n\r\n")
        if surplus:
            # In HTTP and TLS the server waits for us, so these bytes come from the proxy itself.
            self._fail("the proxy sent data into the tunnel")
        elif end:
            if not self.head.done():
                self.head.set_result(bytes(head))
        elif len(self._buffer) > _MAX_HEAD_BYTES:
            self._fail("the proxy's answer is too long")

    def eof_received(self) -> None:
        """The proxy closed the connection."""
        self._fail("the proxy closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection to the proxy is gone."""
        self._fail("the connection to the proxy was lost")

    def _fail(self, words: str) -> None:
        if not self.head.done():
            self.head.set_exception(ProxyError(words))
            self.head.exception()  # fetched, to avoid a warning if nobody waits any more
