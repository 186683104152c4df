"""Reports to form body: the stored fragment of a report and the three wire forms of a push.

A *fragment* is one report as a JSON object in ASCII, with ``+`` and ``%`` escaped as well
(contract section 2, "the wire form that survives every decoder"). It is made once, when the report
is accepted; a push body is a number of fragments joined and percent-encoded. The way back is
:mod:`statuspush.core.decode`.
"""

from collections.abc import Sequence
from itertools import accumulate
from json.encoder import encode_basestring_ascii as _quoted
from typing import Final

import msgspec

from statuspush.core.contract import VOICE_STATUS, Kind, Wire
from statuspush.core.decode import NotAPush, Reason, decode
from statuspush.core.report import Submission

__all__ = [
    "SAMPLE_REPORTS",
    "NotAPush",
    "Reason",
    "body",
    "decode",
    "encoded_size",
    "fit",
    "fragment",
    "fragments",
    "sample_fragments",
]

SAMPLE_REPORTS: Final = (
    Submission(
        account="sample",
        sid="b3f2a9c1d4e84f60a7c5e2d190b8f7a6",
        uid="order-1001",
        user_receive_time="2024-05-17 10:22:33",
        duration=15,
        error_msg=None,
        mobile="15205201314",
        report_status="SUCCESS",
    ),
    Submission(
        account="sample",
        sid="0c7d5e8f1a2b4c3d9e6f708192a3b4c5",
        uid=None,
        user_receive_time="2024-05-17 10:23:05",
        duration=0,
        error_msg="用户信号不佳、关机等",
        mobile="+37258483726",
        report_status="FAIL",
    ),
)
"""A call that was answered and one that was not, with the values of contract section 2."""

_UNRESERVED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

# Every report contains these; the line feed is the separator between fragments and becomes the
# comma between the reports of the array. The rarest come first: the text grows with each
# replacement, so the quotation marks, half of all, are replaced last.
_COMMON: Final = (
    (b"\n", b"%2C"),
    (b"{", b"%7B"),
    (b"}", b"%7D"),
    (b" ", b"%20"),
    (b"\\", b"%5C"),
    (b",", b"%2C"),
    (b":", b"%3A"),
    (b'"', b"%22"),
)
_UNRESERVED_AND_COMMON: Final = _UNRESERVED + b"".join(char for char, _ in _COMMON)

_PERCENT: Final = ord("%")
_PERCENT_AGAIN: Final = b"%25"

_OPENING: Final = b"%5B"
_CLOSING: Final = b"%5D"

_read_lines: Final = msgspec.json.Decoder().decode_lines
_write_lines: Final = msgspec.json.Encoder().encode_lines


def fragment(submission: Submission) -> bytes:
    """Write one report in the form in which it is stored.

    Returns a JSON object without spaces or line feeds: the seven keys of contract section 2 in its
    order, ASCII only, ``+`` as ``\\u002b`` and ``%`` as ``\\u0025``.
    """
    return fragments((submission,))[0]


def fragments(submissions: Sequence[Submission]) -> list[bytes]:
    """Write many reports at once; the same as :func:`fragment` of each, at half the cost."""
    if not submissions:
        return []
    text = "\n".join(
        [
            f'{{"sid":{_quoted(s.sid)},"uid":{"null" if s.uid is None else _quoted(s.uid)},'
            f'"user_receive_time":{_quoted(s.user_receive_time)},"duration":{s.duration},'
            f'"error_msg":{"null" if s.error_msg is None else _quoted(s.error_msg)},'
            f'"mobile":{_quoted(s.mobile)},"report_status":{_quoted(s.report_status)}}}'
            for s in submissions
        ]
    )
    # Neither character occurs in JSON outside strings here, and _quoted escapes every line feed.
    return text.replace("+", "\\u002b").replace("%", "\\u0025").encode("ascii").split(b"\n")


def sample_fragments() -> bytes:
    """Give the fragments of :data:`SAMPLE_REPORTS`, separated by a line feed."""
    return b"\n".join(fragments(SAMPLE_REPORTS))


def body(fragments: bytes, wire: Wire, kind: Kind = VOICE_STATUS) -> bytes:
    """Build the form body of a push (contract section 2).

    ``fragments`` are the reports in order, separated by ``b"\\n"``. Returns the whole body, from
    the name of the parameter on, in the wire form that the account has chosen.
    """
    value = _OPENING + _percent_encoded(_text(fragments, wire)) + _CLOSING
    if wire is Wire.DOUBLE:
        # After the first encoding, "%" is the only character left that needs a second one.
        value = value.replace(b"%", _PERCENT_AGAIN)
    return kind.parameter.encode() + b"=" + value


def encoded_size(fragments: bytes, wire: Wire, kind: Kind = VOICE_STATUS) -> int:
    """Tell the size of :func:`body` in bytes without building it."""
    return _frame_size(wire, kind) + _size(_text(fragments, wire), wire)


def fit(fragments: bytes, wire: Wire, max_bytes: int, kind: Kind = VOICE_STATUS) -> int:
    """Tell how many of the leading fragments make a body of at most ``max_bytes`` bytes.

    At least 1, because a single report that is too large has to be sent all the same
    (contract section 2, "Size").
    """
    text = _text(fragments, wire)
    frame = _frame_size(wire, kind)
    if frame + _size(text, wire) <= max_bytes:
        return text.count(b"\n") + 1
    separator = _size(b"\n", wire)
    sizes = accumulate(
        (separator + _size(line, wire) for line in text.split(b"\n")), initial=frame - separator
    )
    return max(1, sum(size <= max_bytes for size in sizes) - 1)


def _text(fragments: bytes, wire: Wire) -> bytes:
    """Give the JSON objects as this wire form writes them, separated by line feeds.

    ``robust`` sends what is stored; the other forms send UTF-8 without needless escapes.
    """
    if wire is Wire.ROBUST or b"\\" not in fragments:
        return fragments
    return _write_lines(_read_lines(fragments)).removesuffix(b"\n")


def _percent_encoded(text: bytes) -> bytes:
    """Encode every byte but the unreserved ones of RFC 3986; a line feed becomes ``%2C``.

    One ``bytes.replace`` per character that occurs is faster than a look at every byte. What
    occurs beyond the usual characters is found first, so that no byte can slip through.
    """
    rare = set(text.translate(None, _UNRESERVED_AND_COMMON))
    if _PERCENT in rare:
        text = text.replace(b"%", _PERCENT_AGAIN)
        rare.remove(_PERCENT)
    for byte in rare:
        text = text.replace(bytes((byte,)), b"%%%02X" % byte)
    for char, escape in _COMMON:
        text = text.replace(char, escape)
    return text


def _size(text: bytes, wire: Wire) -> int:
    """Give the encoded size: a reserved byte takes three bytes (``%2C``) or five (``%252C``)."""
    reserved = len(text.translate(None, _UNRESERVED))
    return len(text) + (4 if wire is Wire.DOUBLE else 2) * reserved


def _frame_size(wire: Wire, kind: Kind) -> int:
    """Give the size of a body without reports: the parameter, ``=`` and the brackets."""
    return len(kind.parameter) + 1 + _size(b"[]", wire)
