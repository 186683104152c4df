"""Headers that a customer may add to each push: which names and values are allowed."""

import re
from typing import Final

from statuspush.core.errors import InputError
from statuspush.core.words import Words

MAX_VALUE_LENGTH: Final = 4096
"""Longest header value that a customer may set, in characters."""

TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""Name of a header (RFC 9110 section 5.6.2)."""
# RFC 9110 section 5.5: visible characters, space, tab and the upper half of latin-1
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

FRAMING: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "user-agent", "accept-encoding"}
)
"""Written by the transport alone."""

_RESERVED: Final = FRAMING | {
    "content-type",
    "accept",
    "expect",
    "te",
    "upgrade",
    "trailer",
    "keep-alive",
    "x-push-attempt",
}
_RESERVED_PREFIXES: Final = ("proxy-", "webhook-")


class InvalidHeader(InputError):
    """A header that cannot be sent, or that is not the customer's to set.

    ``error.words`` says why; the value is not repeated.
    """


def validate_header(name: str, value: str) -> None:
    """Check a header that a customer wants on each push.

    Args:
        name: a token (RFC 9110 section 5.6.2) that is not one of those the contract or HTTP
            itself needs: Host, Content-Length, Transfer-Encoding, Connection, Keep-Alive,
            User-Agent, Accept, Accept-Encoding, Content-Type, Expect, TE, Upgrade, Trailer,
            X-Push-Attempt, and all that begin with Proxy- or webhook-.
        value: at most 4096 characters of latin-1 without control characters (CR, LF and NUL are
            the dangerous ones) and without white space at either end.

    Raises:
        InvalidHeader: with the reason.
    """
    if not TOKEN.fullmatch(name):
        raise InvalidHeader(
            Words(
                "the header name may only contain letters, digits and !#$%&'*+-.^_`|~",
                "请求头名称只能包含字母、数字和 !#$%&'*+-.^_`|~",
            )
        )
    lower = name.lower()
    if lower in _RESERVED or lower.startswith(_RESERVED_PREFIXES):
        raise InvalidHeader(
            Words(
                f"the header {name} is set by the platform itself",
                f"请求头 {name} 由平台设置，不能自定义",
            )
        )
    if len(value) > MAX_VALUE_LENGTH:
        raise InvalidHeader(
            Words(
                f"the value of header {name} is longer than {MAX_VALUE_LENGTH} characters",
                f"请求头 {name} 的值超过 {MAX_VALUE_LENGTH} 个字符",
            )
        )
    if not _VALUE.fullmatch(value) or value != value.strip(" \t"):
        raise InvalidHeader(
            Words(
                f"the value of header {name} must be latin-1 text without line breaks, control "
                "characters or white space at its ends",
                f"请求头 {name} 的值只能是 latin-1 字符，不能有换行、控制字符或首尾空白",
            )
        )


def parse_header(line: str) -> tuple[str, str]:
    """Name and value of a line ``Name: value``, as curl takes it; raises :class:`InvalidHeader`."""
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        # Without the line, which may hold a password.
        raise InvalidHeader(
            Words("a header must look like 'Name: value'", "请求头须形如“名称: 值”")
        )
    return name.strip(), value.strip()
