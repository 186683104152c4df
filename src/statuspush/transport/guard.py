"""Which addresses customers may have us call: the public internet, and what the operator allows.

A customer chooses the URL, so without this check a customer could reach the platform's own
network, its loopback services or the cloud's metadata service (server-side request forgery).
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

# IANA's special-purpose blocks (RFC 6890 and updates). Written out instead of using
# ipaddress.is_global, whose answers differ between Python versions.
_REFUSED_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; 0.0.0.0 reaches loopback on Linux
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; also cloud metadata (100.100.100.200)
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # public by number, but the host agent inside one large cloud
        "169.254.0.0/16",  # link-local; cloud metadata (169.254.169.254)
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; cloud metadata (192.0.0.192)
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and 255.255.255.255
    )
)

_GLOBAL_V6: Final = IPv6Network("2000::/3")
"""The only range handed out as global unicast. Everything outside is refused by default:
``::``, ``::1``, ``::/96``, ``64:ff9b:1::/48``, ``100::/64``, ``5f00::/16``, ``fc00::/7``,
``fe80::/10``, ``fec0::/10``, ``ff00::/8`` and what is unassigned. NAT64 and mapped addresses are
judged by the IPv4 address in them."""

_REFUSED_V6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, with Teredo (2001::/32) and ORCHID
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)

ANYWHERE: Final = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
"""Every network, for people who call their own endpoint."""

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_6TO4: Final = IPv6Network("2002::/16")
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})


class AddressGuard:
    """Judges addresses. Stateless; one instance serves all sends.

    By default only public unicast addresses are permitted. IPv6 addresses that carry an IPv4
    address (mapped, NAT64 ``64:ff9b::/96``, 6to4, ISATAP) are permitted only if that address is
    as well; IPv4-compatible ``::/96``, local NAT64 and Teredo are always refused. A NAT64 prefix
    that a network operator chose itself cannot be recognized; on such a network the gateway must
    filter.
    """

    __slots__ = ("_allow_v4", "_allow_v6")

    def __init__(self, allow: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        """Make a guard.

        Args:
            allow: networks permitted in any case, for receivers inside the operator's own
                network. An IPv4 network also permits its mapped spelling ``::ffff:a.b.c.d``.
        """
        self._allow_v4 = tuple(net for net in allow if isinstance(net, IPv4Network))
        self._allow_v6 = tuple(net for net in allow if isinstance(net, IPv6Network))

    def permits(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether a connection to this address may be opened.

        Args:
            address: the exact address that would be connected to; a scope id is ignored.

        Returns:
            True if it is in an allowed network or public.
        """
        if isinstance(address, IPv4Address):
            return self._permits_v4(address)
        if any(address in network for network in self._allow_v6):
            return True
        embedded = _embedded_v4(address)
        if address in _MAPPED or address in _NAT64:
            assert embedded is not None
            # A NAT64 gateway is elsewhere: it would not reach "our 10.0.0.0/8".
            return self._permits_v4(embedded) if address in _MAPPED else _public_v4(embedded)
        if address not in _GLOBAL_V6 or any(address in network for network in _REFUSED_V6):
            return False
        return embedded is None or _public_v4(embedded)

    def _permits_v4(self, address: IPv4Address) -> bool:
        return any(address in network for network in self._allow_v4) or _public_v4(address)


def _public_v4(address: IPv4Address) -> bool:
    return not any(address in network for network in _REFUSED_V4)


def _embedded_v4(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a packet to this address may end up at, if there is one."""
    number = int(address)
    if address in _MAPPED or address in _NAT64:
        return IPv4Address(number & 0xFFFF_FFFF)
    if address in _6TO4:
        return IPv4Address((number >> 80) & 0xFFFF_FFFF)
    if (number >> 32) & 0xFFFF_FFFF in _ISATAP:
        return IPv4Address(number & 0xFFFF_FFFF)
    return None
