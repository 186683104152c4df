"""Customers' URLs: strict parsing, so that what was checked is what is called.

Address guards get bypassed when two parsers read one URL differently. So there is one parser here,
it refuses whatever is ambiguous (user names, backslashes, control and invisible characters,
percent signs in the host), and the connection is made from its result alone.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from statuspush.core.errors import InputError
from statuspush.core.words import Words

MAX_URL_LENGTH: Final = 2048
"""Longest URL taken, in characters as given."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SCHEME: Final = re.compile(r"(https?)://", re.IGNORECASE)
_HOST: Final = re.compile(
    r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*"
)
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
# Cc and Cf hide or reorder text, Cs cannot be encoded, Z* are the spaces of all scripts.
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})


class InvalidUrl(InputError):
    """The URL cannot be used for pushes.

    ``error.words`` says why, and does not repeat the URL,
    whose query may hold a secret.
    """


@dataclass(frozen=True, slots=True)
class ParsedUrl:
    """A checked URL, in the parts that a connection and a request line need."""

    scheme: str
    """``http`` or ``https``."""
    host: str
    """Lower-case ASCII name (IDNA applied) or canonical address; no brackets, no final dot."""
    port: int
    """1 to 65535; the scheme's own when none was given."""
    target: str
    """Path and query in ASCII, as they go into the request line; the fragment is dropped."""
    address: IPv4Address | IPv6Address | None
    """The address when the host is one in any numeric spelling, so that no lookup is needed."""

    @property
    def host_header(self) -> str:
        """Value of the Host header (RFC 9110 section 7.2): the port only if not the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@lru_cache(maxsize=4096)
def validate_url(url: str) -> ParsedUrl:
    """Parse a customer's URL strictly.

    Args:
        url: an absolute http or https URL of at most 2048 characters.

    Returns:
        Its parts. Path and query are kept as given, apart from characters outside ASCII, which
        are percent-encoded as UTF-8; names outside ASCII become punycode (UTS 46). Numeric
        spellings that system libraries read as an IPv4 address (``127.1``, ``0x7f000001``,
        ``2130706433``, ``0177.0.0.1``) become that address.

    Raises:
        InvalidUrl: no such URL; the message says why, without repeating the URL.
    """
    if len(url) > MAX_URL_LENGTH:
        raise InvalidUrl(
            Words(
                f"the URL is longer than {MAX_URL_LENGTH} characters",
                f"URL 超过 {MAX_URL_LENGTH} 个字符",
            )
        )
    _refuse_characters(url)
    scheme_match = _SCHEME.match(url)
    if scheme_match is None:
        raise InvalidUrl(
            Words(
                "the URL must start with http:// or https://", "URL 必须以 http:// 或 https:// 开头"
            )
        )
    scheme = scheme_match.group(1).lower()
    rest = url[scheme_match.end() :].partition("#")[0]
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, target = rest[:end], rest[end:]
    if "@" in authority:
        raise InvalidUrl(
            Words("the URL must not contain a user name or password", "URL 不能包含用户名或密码")
        )
    host_text, port = _split_authority(authority, _DEFAULT_PORTS[scheme])
    address: IPv4Address | IPv6Address | None
    if host_text.startswith("["):
        host, address = _ipv6(host_text)
    else:
        host = _name(host_text)
        address = _ipv4(host)
        host = host if address is None else str(address)
    return ParsedUrl(scheme, host, port, _ascii_target(target), address)


def _refuse_characters(url: str) -> None:
    if url.isascii() and url.isprintable() and " " not in url and "\\" not in url:
        return
    for character in url:
        if character == "\\":
            raise InvalidUrl(Words("the URL must not contain a backslash", "URL 不能包含反斜杠"))
        if unicodedata.category(character) in _REFUSED_CATEGORIES:
            raise InvalidUrl(
                Words(
                    "the URL must not contain spaces, line breaks, control or invisible characters "
                    f"(found U+{ord(character):04X})",
                    f"URL 不能包含空格、换行、控制字符或不可见字符（发现 U+{ord(character):04X}）",
                )
            )


def _split_authority(authority: str, default_port: int) -> tuple[str, int]:
    """``host[:port]`` into host (IPv6 still in brackets) and port."""
    if authority.startswith("["):
        host, bracket, after = authority.partition("]")
        if not bracket:
            raise InvalidUrl(
                Words(
                    "the bracket around the IPv6 address is not closed", "IPv6 地址的方括号没有闭合"
                )
            )
        host, colon, port_text = host + bracket, after[:1], after[1:]
        if colon not in ("", ":"):
            raise InvalidUrl(
                Words("the URL has text after the IPv6 address", "IPv6 地址后有多余的字符")
            )
    else:
        host, colon, port_text = authority.partition(":")
    if not host:
        raise InvalidUrl(Words("the URL has no host", "URL 缺少主机名"))
    if not colon:
        return host, default_port
    # isdecimal() is also true for digits of other scripts, hence isascii().
    if not (port_text.isascii() and port_text.isdecimal() and len(port_text) <= 5):
        raise InvalidUrl(
            Words("the port must be a number from 1 to 65535", "端口必须是 1 到 65535 的数字")
        )
    port = int(port_text)
    if not 1 <= port <= 65535:
        raise InvalidUrl(
            Words("the port must be a number from 1 to 65535", "端口必须是 1 到 65535 的数字")
        )
    return host, port


def _ipv6(bracketed: str) -> tuple[str, IPv6Address]:
    text = bracketed[1:-1]
    try:
        # A scope id ("%eth0") names an interface of this machine: nothing a customer may choose.
        if "%" in text:
            raise ValueError
        address = IPv6Address(text)
    except ValueError:
        raise InvalidUrl(
            Words("the text in brackets is not an IPv6 address", "方括号内不是 IPv6 地址")
        ) from None
    return str(address), address


def _name(text: str) -> str:
    """Lower-case ASCII form of a host name, checked; numeric spellings pass as names here."""
    if not text.isascii():
        import idna  # noqa: PLC0415 - its tables are large, and few names need them

        try:
            text = idna.encode(text, uts46=True, transitional=False).decode("ascii")
        except UnicodeError:  # idna.IDNAError is one
            raise InvalidUrl(
                Words(
                    "the host is not a valid internationalized name", "主机名不是有效的国际化域名"
                )
            ) from None
    text = text.lower().removesuffix(".")
    if len(text) > 253 or not _HOST.fullmatch(text) or any(len(x) > 63 for x in text.split(".")):
        raise InvalidUrl(Words("the host is not a valid name or address", "主机名或地址无效"))
    return text


def _ipv4(host: str) -> IPv4Address | None:
    """The address in any spelling that inet_aton, hence getaddrinfo, reads as IPv4.

    One to four parts, each decimal, octal (leading 0) or hexadecimal (0x); the last part fills
    the remaining bytes. A name that ends in a numeric label but is not an address is refused,
    as in the WHATWG URL standard: no such top-level domain exists, and system libraries differ.
    """
    parts = host.split(".")
    if not _NUMBER.fullmatch(parts[-1]):
        return None
    try:
        if len(parts) > 4:
            raise ValueError
        *leading, last = (_number(part) for part in parts)
        if any(value > 255 for value in leading):
            raise ValueError
        value = last
        for position, byte in enumerate(leading):
            value += byte << (8 * (3 - position))
        if last >= 256 ** (4 - len(leading)):
            raise ValueError
        return ipaddress.IPv4Address(value)
    except ValueError:
        raise InvalidUrl(
            Words("the host is not a valid IPv4 address", "主机不是有效的 IPv4 地址")
        ) from None


def _number(part: str) -> int:
    if not _NUMBER.fullmatch(part):
        raise ValueError
    if part.startswith("0x"):
        return int(part, 16)  # "0x" alone raises ValueError
    return int(part, 8) if part.startswith("0") else int(part)


def _ascii_target(target: str) -> str:
    if not target.startswith("/"):
        target = "/" + target
    if target.isascii():
        return target
    return "".join(
        character if character.isascii() else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in target
    )
