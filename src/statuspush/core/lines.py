"""A received report as JSON on one line.

JSON can spell half a surrogate pair, which UTF-8 cannot write and msgspec does not read. The
standard library does both, more slowly, and is used only then.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

Fields = dict[str, object]
"""A decoded report."""

_read: Final = msgspec.json.Decoder(Fields).decode
_write: Final = msgspec.json.Encoder().encode
_write_lines: Final = msgspec.json.Encoder().encode_lines


def read_line(line: bytes) -> Fields:
    """Read a report."""
    try:
        return _read(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        fields: Fields = json.loads(line)
        return fields


def write_line(fields: Mapping[str, object]) -> bytes:
    """Write a report, without a line feed."""
    try:
        return _write(fields)
    except UnicodeEncodeError:
        return json.dumps(fields, separators=(",", ":")).encode()


def write_lines(reports: Sequence[Mapping[str, object]]) -> bytes:
    """Write reports, separated by line feeds."""
    try:
        return _write_lines(reports).removesuffix(b"\n")
    except UnicodeEncodeError:
        return b"\n".join(map(write_line, reports))
