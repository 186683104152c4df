"""Reports to form body: the three wire forms of a push.

A push body is stored reports (:mod:`statuspush.core.fragment`) joined and
percent-encoded. The way back is :mod:`statuspush.core.decode`.
"""

from functools import cache
from itertools import accumulate
from typing import Any, Final
from urllib.parse import quote

import msgspec

from statuspush.core.contract import Wire
from statuspush.core.decode import NotAPush, Reason, decode
from statuspush.core.fragment import json_lines
from statuspush.core.kinds.kind import Kind

__all__ = ["NotAPush", "Reason", "body", "decode", "encoded_size", "fit"]

_UNRESERVED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


# The line feed is the separator between fragments and becomes the comma between the reports of
# the array.
_IN_VALUES: Final = (
    (b"\n", b"%2C"),
    (b" ", b"%20"),
    (b":", b"%3A"),
    (b"\\", b"%5C"),
    (b'"', b"%22"),
)


class _Table:
    """The characters that a text is known to contain, and what they are encoded to."""

    def __init__(self, *usual: tuple[bytes, bytes]) -> None:
        self.usual = usual
        self.expected = _UNRESERVED + b"".join(char for char, _ in usual)


@cache
def _shortened(kind: Kind[Any]) -> _Table:
    """The table of fragments of a kind."""
    return _Table(
        *_IN_VALUES, *((byte, quote(text, safe="").encode()) for byte, text in kind.spelled)
    )


_JSON: Final = _Table((b"{", b"%7B"), (b"}", b"%7D"), (b",", b"%2C"), *_IN_VALUES)

_BLOCK: Final = 16_384
"""Bytes encoded at a time, so that the result fits memory that is already mapped. A push of 500 in
one piece takes twice as long, mostly because pages are allocated and freed."""

_PERCENT: Final = ord("%")
_PERCENT_AGAIN: Final = b"%25"

_OPENING: Final = b"%5B"
_CLOSING: Final = b"%5D"

_read_lines: Final = msgspec.json.Decoder().decode_lines
_write_lines: Final = msgspec.json.Encoder().encode_lines


def body(fragments: bytes, wire: Wire, kind: Kind[Any]) -> bytes:
    """Build the form body of a push (contract section 2).

    ``fragments`` are the reports in order, separated by ``b"\\n"``. Returns the whole body, from
    the name of the parameter on, in the wire form that the account has chosen.
    """
    if wire is Wire.ROBUST:
        value = _percent_encoded(fragments, _shortened(kind))
    else:
        value = _percent_encoded(_text(fragments, wire, kind), _JSON)
    value = _OPENING + value + _CLOSING
    if wire is Wire.DOUBLE:
        # After the first encoding, "%" is the only character left that needs a second one.
        value = value.replace(b"%", _PERCENT_AGAIN)
    return kind.form_start + value


def encoded_size(fragments: bytes, wire: Wire, kind: Kind[Any]) -> int:
    """The size of :func:`body` in bytes, without building it."""
    return _frame_size(wire, kind) + _size(_text(fragments, wire, kind), wire)


def fit(fragments: bytes, wire: Wire, max_bytes: int, kind: Kind[Any]) -> int:
    """Count the leading fragments that make a body of at most ``max_bytes`` bytes.

    At least 1, because a single report that is too large has to be sent all the same
    (contract section 2, "Size").
    """
    text = _text(fragments, wire, kind)
    frame = _frame_size(wire, kind)
    if frame + _size(text, wire) <= max_bytes:
        return text.count(b"\n") + 1
    separator = _size(b"\n", wire)
    sizes = accumulate(
        (separator + _size(line, wire) for line in text.split(b"\n")), initial=frame - separator
    )
    return max(1, sum(size <= max_bytes for size in sizes) - 1)


def _text(fragments: bytes, wire: Wire, kind: Kind[Any]) -> bytes:
    """The JSON objects as this wire form writes them, separated by line feeds.

    ``robust`` spells out what is stored; the others send UTF-8 without needless escapes.
    """
    lines = json_lines(fragments, kind)
    if wire is Wire.ROBUST or b"\\" not in lines:
        return lines
    return _write_lines(_read_lines(lines)).removesuffix(b"\n")


def _percent_encoded(text: bytes, table: _Table) -> bytes:
    """Encode every byte except the unreserved ones of RFC 3986, the usual ones by ``table``."""
    if len(text) <= _BLOCK:
        return _block_encoded(text, table)
    starts = range(0, len(text), _BLOCK)
    return b"".join([_block_encoded(text[start : start + _BLOCK], table) for start in starts])


def _block_encoded(text: bytes, table: _Table) -> bytes:
    """Encode by one ``bytes.replace`` per character, which is faster than looking at every byte.

    Characters beyond the usual ones are found first, so that no byte can slip through.
    """
    rare = set(text.translate(None, table.expected))
    if _PERCENT in rare:
        text = text.replace(b"%", _PERCENT_AGAIN)
        rare.remove(_PERCENT)
    for byte in rare:
        text = text.replace(bytes((byte,)), b"%%%02X" % byte)
    for char, escape in table.usual:
        text = text.replace(char, escape)
    return text


def _size(text: bytes, wire: Wire) -> int:
    """The encoded size: a reserved byte takes three bytes (``%2C``) or five (``%252C``)."""
    reserved = len(text.translate(None, _UNRESERVED))
    return len(text) + (4 if wire is Wire.DOUBLE else 2) * reserved


def _frame_size(wire: Wire, kind: Kind[Any]) -> int:
    """The size of a body without reports: the parameter, ``=`` and the brackets."""
    return len(kind.form_start) + _size(b"[]", wire)
