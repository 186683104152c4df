"""From a checked URL to an open connection: lookup, address check, connect, tunnel, TLS."""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from statuspush.core.outcome import Cause, Unanswered
from statuspush.core.url import ParsedUrl
from statuspush.transport import tls
from statuspush.transport.connection import HttpConnection
from statuspush.transport.guard import AddressGuard
from statuspush.transport.proxy import Proxy, ProxyError, TunnelProtocol, open_tunnel
from statuspush.transport.resolver import Address, Resolver

_OUR_OWN: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)
"""Errors of connect that say something about this machine, not about the customer."""
_LOST: Final = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE})
"""There was a listener, but the connection was gone before connect could report it."""
_UNREACHABLE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EAFNOSUPPORT})
_TLS_CLOSE_SECONDS: Final = 1.0


class DialFailed(Exception):
    """No connection; carries the result of the send."""

    def __init__(self, result: Unanswered, code: int = 0) -> None:
        """Keep the result and its errno, 0 if there is none."""
        super().__init__(result)
        self.result = result
        self.code = code

    @property
    def exhausted(self) -> bool:
        """Whether this machine had run out of descriptors, ports or memory."""
        return self.code in _OUR_OWN


@dataclass(slots=True)
class _Stage:
    """What a dial is doing, for the message if its time runs out."""

    cause: Cause
    words: str


class Dialer:
    """Opens connections. Checks every address of a name and connects to exactly those."""

    def __init__(
        self, guard: AddressGuard, resolver: Resolver, context: ssl.SSLContext, proxy: Proxy | None
    ) -> None:
        """Keep the parts; nothing is opened yet."""
        self._guard = guard
        self._resolver = resolver
        self._context = context
        self._proxy = proxy
        self._scopes: set[asyncio.Timeout] = set()
        self._stopped = False

    def stop(self) -> None:
        """End all dials with ``INTERRUPTED``, those under way and those to come."""
        self._stopped = True
        for scope in self._scopes:
            if not scope.expired():
                scope.reschedule(0)

    async def dial(
        self,
        url: ParsedUrl,
        make: Callable[[], HttpConnection],
        connect_seconds: float,
        deadline: float,
    ) -> HttpConnection:
        """Open a connection for a URL.

        Args:
            url: where to.
            make: makes the protocol object, once per address tried.
            connect_seconds: limit on all of it, in seconds.
            deadline: loop time at which the whole send is over, in case that comes first.

        Returns:
            A connection on which nothing has been sent.

        Raises:
            DialFailed: with the result.
        """
        if self._stopped:
            raise _interrupted()
        loop = asyncio.get_running_loop()
        limit = min(loop.time() + connect_seconds, deadline)
        stage = _Stage(Cause.DNS_FAILED, "the lookup of the host name")
        scope = asyncio.timeout_at(limit)
        self._scopes.add(scope)
        try:
            async with scope:
                addresses = await self._addresses(url)
                return await self._first_that_connects(url, addresses, make, limit, stage)
        except TimeoutError:
            if self._stopped:
                raise _interrupted() from None
            cause = Cause.TIMEOUT if limit == deadline else stage.cause
            raise DialFailed(Unanswered(cause, f"{stage.words} did not finish in time")) from None
        finally:
            self._scopes.discard(scope)

    async def _addresses(self, url: ParsedUrl) -> Sequence[Address]:
        """The addresses of the URL's host, all of them permitted.

        One forbidden address rules out all of them. A name with both public and internal addresses
        is either a mistake or somebody testing which one we take.
        """
        addresses: Sequence[Address]
        if url.address is not None:
            addresses = (url.address,)
        else:
            try:
                addresses = await self._resolver.resolve(url.host, url.port)
            except OSError as error:
                raise DialFailed(Unanswered(Cause.DNS_FAILED, _lookup_words(error))) from None
            if not addresses:
                raise DialFailed(Unanswered(Cause.DNS_FAILED, "the name has no address"))
        if not all(self._guard.permits(address) for address in addresses):
            # Without the address, or the customer would learn what our name servers know.
            words = "the host is, or its name leads to, an address that is not public"
            raise DialFailed(Unanswered(Cause.ADDRESS_REFUSED, words))
        return addresses

    async def _first_that_connects(
        self,
        url: ParsedUrl,
        addresses: Sequence[Address],
        make: Callable[[], HttpConnection],
        limit: float,
        stage: _Stage,
    ) -> HttpConnection:
        """Try the addresses in order; each gets an even share of the time that is left."""
        loop = asyncio.get_running_loop()
        failure: DialFailed | None = None
        for position, address in enumerate(addresses):
            now = loop.time()
            left = len(addresses) - position
            # The last one gets all the time that is left; the outer limit ends it.
            share = None if left == 1 else now + (limit - now) / left
            try:
                async with asyncio.timeout_at(share):
                    transport, connection = await self._connect(url, address, make, stage)
                break
            except TimeoutError:
                words = f"no connection to {_place(address, url.port)} in time"
                problem = DialFailed(Unanswered(stage.cause, words), errno.ETIMEDOUT)
            except DialFailed as error:
                problem = error
            # A machine without IPv6 reports "unreachable" for every IPv6 address, so any other
            # failure says more.
            if failure is None or failure.code in _UNREACHABLE:
                failure = problem
        else:
            assert failure is not None
            raise failure
        if url.scheme == "https":
            stage.cause, stage.words = Cause.CONNECT_TIMEOUT, "the TLS handshake"
            await self._secure(transport, connection, url.host)
        return connection

    async def _connect(
        self, url: ParsedUrl, address: Address, make: Callable[[], HttpConnection], stage: _Stage
    ) -> tuple[asyncio.Transport, HttpConnection]:
        """TCP to the address, or a tunnel to it through the proxy."""
        loop = asyncio.get_running_loop()
        connection = make()
        if self._proxy is None:
            stage.cause = Cause.CONNECT_TIMEOUT
            stage.words = f"connecting to {_place(address, url.port)}"
            try:
                # A numeric host is taken as it is: no second lookup (pinned address).
                transport, _ = await loop.create_connection(
                    lambda: connection, str(address), url.port
                )
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL and address.version == 6:
                    # For IPv4 it means that no local port is left. For IPv6 it is also what a
                    # machine reports on which IPv6 is switched off.
                    error.errno = errno.ENETUNREACH
                raise _connect_failed(error, _place(address, url.port)) from None
            return transport, connection
        stage.cause, stage.words = Cause.PROXY_FAILED, "the tunnel through the proxy"
        proxy = self._proxy.url
        tunnel = TunnelProtocol()
        try:
            host = await self._proxy_host(proxy)
            transport, _ = await loop.create_connection(lambda: tunnel, host, proxy.port)
        except OSError as error:
            failed = _connect_failed(error, "the proxy")
            if not failed.exhausted:
                failed.result = Unanswered(Cause.PROXY_FAILED, failed.result.detail)
            raise failed from None
        try:
            await open_tunnel(transport, tunnel, self._proxy, address, url.port)
        except ProxyError as error:
            transport.abort()
            raise DialFailed(Unanswered(Cause.PROXY_FAILED, str(error))) from None
        except BaseException:
            transport.abort()
            raise
        transport.set_protocol(connection)
        connection.connection_made(transport)
        return transport, connection

    async def _proxy_host(self, proxy: ParsedUrl) -> str:
        """The proxy's address, unchecked: the operator chose it."""
        if proxy.address is not None:
            return str(proxy.address)
        addresses = await self._resolver.resolve(proxy.host, proxy.port)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        return str(addresses[0])

    async def _secure(
        self, transport: asyncio.Transport, connection: HttpConnection, host: str
    ) -> None:
        """TLS over an open connection. The request is only written after this has succeeded."""
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(
                transport,
                connection,
                self._context,
                server_hostname=host,
                ssl_shutdown_timeout=_TLS_CLOSE_SECONDS,
            )
            if secured is None:  # closed while the handshake ended
                raise ConnectionResetError
        except OSError as error:  # ssl.SSLError is one
            transport.abort()
            raise DialFailed(Unanswered(Cause.TLS_FAILED, tls.explain(error))) from None
        except BaseException:
            transport.abort()
            raise
        connection.secured(secured)


def _interrupted() -> DialFailed:
    return DialFailed(Unanswered(Cause.INTERRUPTED, "the transport was closed"))


def _place(address: Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _lookup_words(error: OSError) -> str:
    if isinstance(error, socket.gaierror) and error.strerror:
        return f"the host name was not resolved: {error.strerror}"
    return "the host name was not resolved"


def _connect_failed(error: OSError, place: str) -> DialFailed:
    """The error of connect(2) as a result."""
    code = error.errno or 0
    if isinstance(error, socket.gaierror):  # its numbers are no errno
        return DialFailed(Unanswered(Cause.CONNECTION_REFUSED, f"{place}: name not resolved"))
    words = f"{place}: {os.strerror(code)}" if code else place
    if code in _OUR_OWN:
        cause = Cause.INTERRUPTED
    elif code == errno.ETIMEDOUT:
        cause = Cause.CONNECT_TIMEOUT
    elif code in _LOST:
        cause = Cause.CONNECTION_RESET
    else:
        cause = Cause.CONNECTION_REFUSED
    return DialFailed(Unanswered(cause, words), code)
