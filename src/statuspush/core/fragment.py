"""A report in the form in which it is stored: JSON, its recurring text shortened to single bytes.

A *fragment* is a report's JSON object in ASCII, with ``+`` and ``%`` escaped as well (contract
section 2, "the wire form that survives every decoder"), in which each run of characters that
its kind fixes (``,"error_msg":null,"mobile":"``) is written as one control byte. No such byte
occurs in JSON, so a fragment is spelled out by replacing bytes (:func:`json_lines`), a push body
likewise (:mod:`statuspush.core.wire`), and plain JSON is a fragment too. It takes half the space
of the JSON and a quarter less time to write. It holds no line feed: those separate fragments.

The kind defines which byte stands for what, and how fragments are written (``Kind.spelled``,
``Kind.fragments``).
"""

from typing import Any

from statuspush.core.kinds.kind import Kind


def json_lines(fragments: bytes, kind: Kind[Any]) -> bytes:
    """Spell fragments out: one JSON object per line, the kind's keys in its order, no spaces.

    ASCII only, ``+`` as ``\\u002b`` and ``%`` as ``\\u0025`` (contract section 2).
    """
    for byte, text in kind.spelled:
        fragments = fragments.replace(byte, text)
    return fragments


def json_array(fragments: bytes, kind: Kind[Any]) -> bytes:
    """Spell fragments out as one JSON array."""
    return b"[" + json_lines(fragments, kind).replace(b"\n", b",") + b"]"


def found_in(fragments: bytes, kind: Kind[Any]) -> list[Any]:
    """Read what fragments can be found by: for each, an object with the kind's search keys.

    :func:`statuspush.core.batch.fingerprints` and ``Kind.texts_of`` take these objects.
    """
    return kind.read_found(json_array(fragments, kind))


def uniques_in(fragments: bytes, kind: Kind[Any]) -> list[str]:
    """Read the unique ids of fragments, in order."""
    return list(map(kind.unique_of, kind.read_uniques(json_array(fragments, kind))))


def sample_fragments(kind: Kind[Any]) -> bytes:
    """The kind's sample reports as fragments, separated by line feeds."""
    return b"\n".join(kind.fragments(kind.samples))
