"""Form body to reports: the tolerant decoder of contract section 6.

Senders encode once, twice or three times, and write a space as ``+`` or as ``%20``. The decoder
removes one encoding after another until what remains is JSON, so it needs to know neither.
"""

import json
from binascii import a2b_qp
from enum import StrEnum
from typing import Any, Final

import msgspec

from statuspush.core.errors import InputError
from statuspush.core.kinds.kind import Kind

MAX_ENCODINGS: Final = 5
"""Most encodings removed; three occur in the field, the bound keeps hostile bodies cheap."""

_BOM: Final = b"\xef\xbb\xbf"

_read_json: Final = msgspec.json.Decoder().decode


class Reason(StrEnum):
    """Why a body is not a push, as a word for programs."""

    NO_PARAMETER = "no_parameter"
    BAD_ENCODING = "bad_encoding"
    NOT_JSON = "not_json"
    NOT_REPORTS = "not_reports"
    NO_SID = "no_sid"
    """A report lacks its kind's unique id."""


class NotAPush(InputError):
    """The body cannot be read as a push; ``reason`` tells programs why, the message people."""

    def __init__(self, reason: Reason, message: str) -> None:
        """Keep the reason beside the message."""
        super().__init__(message)
        self.reason = reason


def decode(
    body: bytes, kind: Kind[Any], content_type: str | None = None
) -> list[dict[str, object]]:
    """Read the reports in a push, however its sender encodes (contract section 6).

    ``body`` is the form as it came, not decoded before. Bare JSON without the parameter is
    accepted too, and recognised by its ``content_type``, if given, even if it does not look like
    JSON. Returns the reports in order, as they were sent: unknown keys are kept, missing ones stay
    missing; only a unique id (``sid``) sent as a number becomes a string. Raises
    :class:`NotAPush`.

    The work is linear in the size of the body.
    """
    value = _parameter(body, content_type, kind)
    parsed = _parsed(value)
    reports = [parsed] if isinstance(parsed, dict) else parsed
    return [_report(index, report, kind.unique) for index, report in enumerate(reports)]


def _parameter(body: bytes, content_type: str | None, kind: Kind[Any]) -> bytes:
    """Find the value of the kind's parameter, still encoded as often as the sender did."""
    bare = body.removeprefix(_BOM).strip()
    name = kind.form_start
    if bare.startswith(name):
        start = len(name)
    elif bare.startswith((b"[", b"{")) or "json" in (content_type or "").lower():
        return bare
    else:
        found = bare.find(b"&" + name)
        if found < 0:
            raise NotAPush(Reason.NO_PARAMETER, f"the form has no parameter {kind.parameter}")
        start = found + 1 + len(name)
    end = bare.find(b"&", start)
    return bare[start:] if end < 0 else bare[start:end]


def _parsed(value: bytes) -> dict[str, object] | list[object]:
    """Remove encodings until the text is a JSON object or array."""
    failure = NotAPush(Reason.NOT_JSON, "the parameter holds neither a JSON object nor an array")
    for _ in range(MAX_ENCODINGS + 1):
        if value.removeprefix(_BOM).lstrip().startswith((b"[", b"{")):
            try:
                return _json(value.removeprefix(_BOM))
            except NotAPush as error:
                failure = error
        if b"%" not in value and b"+" not in value:
            break
        decoded = _percent_decoded(value)
        if decoded is None:
            # Once JSON has been seen but is broken, a "50%" in it is not the mistake to report.
            if value.lstrip().startswith((b"[", b"{")):
                break
            raise NotAPush(
                Reason.BAD_ENCODING, 'the parameter has a "%" that no two hex digits follow'
            )
        value = decoded
    raise failure


def _json(text: bytes) -> dict[str, object] | list[object]:
    try:
        parsed: dict[str, object] | list[object] = _read_json(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    else:
        return parsed
    # The standard decoder is slower, but takes what careless senders write: raw control
    # characters in strings, halves of surrogate pairs.
    try:
        parsed = json.loads(text.decode(), strict=False)
    except UnicodeDecodeError as error:
        raise NotAPush(Reason.NOT_JSON, f"the JSON is not UTF-8: {error.reason}") from None
    except RecursionError:
        raise NotAPush(Reason.NOT_JSON, "the JSON is nested too deeply") from None
    except ValueError as error:
        raise NotAPush(Reason.NOT_JSON, f"the parameter is not JSON: {error}") from None
    return parsed


def _percent_decoded(text: bytes) -> bytes | None:
    """Remove one percent-encoding; ``None`` when an escape is malformed.

    A ``+`` is a space only where no ``%20`` occurs: a sender writes its spaces one way or the
    other, every report has one in its time, and whoever writes ``%20`` means a plus by ``+``.
    A literal ``%20`` of the text cannot be mistaken for it: at this level it is ``%2520``.
    """
    if b"+" in text and b"%20" not in text:
        text = text.replace(b"+", b" ")
    if b"%" not in text:
        return text
    # Quoted-printable is percent-encoding with "=" for "%", and has a decoder in C. What differs:
    # it takes "=" before a line end for a soft line break, and skips malformed escapes.
    if b"%\n" in text or b"%\r" in text:
        return None
    escaped = text.replace(b"=", b"%3D")
    decoded = a2b_qp(escaped.replace(b"%", b"="))
    well_formed = len(escaped) - len(decoded) == 2 * escaped.count(b"%")
    return decoded if well_formed else None


def _report(index: int, report: object, unique: str) -> dict[str, object]:
    if not isinstance(report, dict):
        raise NotAPush(Reason.NOT_REPORTS, f"report {index} is not a JSON object")
    found = report.get(unique)
    if isinstance(found, int | float) and not isinstance(found, bool):
        report[unique] = found = str(found)
    if not isinstance(found, str) or not found:
        raise NotAPush(Reason.NO_SID, f"report {index} has no {unique}")
    return report
