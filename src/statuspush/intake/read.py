"""A file of reports, in any of three formats, as a stream of JSON lines with line numbers.

Only the piece being read is held: a file may be larger than the memory. What can't be read as a
report at all is a :class:`Line` with an ``error``; whether the values are right is for the service
to decide, which knows the rules and the accounts.
"""

import codecs
import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO, Final, Protocol

import msgspec

from statuspush.core.errors import InputError
from statuspush.core.kinds import Kind

MAX_LINE_BYTES: Final = 1024 * 1024
"""Longest line, or JSON report: a file in none of the formats must not fill the memory."""

_PIECE: Final = 256 * 1024
_BOM: Final = b"\xef\xbb\xbf"


class Format(StrEnum):
    """How a file of reports is written."""

    AUTO = "auto"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


@dataclass(slots=True)
class Line:
    """One report of the file."""

    number: int
    """Line of the file on which it begins, from 1."""
    account: str
    """Its account; empty if the report names none, which the service will refuse."""
    json: bytes
    """The report as a JSON object on one line; empty when there is an error."""
    error: str = ""
    """Why it can't be read; empty when it can."""


class Source(Protocol):
    """What a file of reports is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        ...


class Counted:
    """A stream that counts what was read from it, for the progress bar."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.bytes_read = 0

    def read(self, size: int = -1, /) -> bytes:
        """Read what is available now, so that a pipe's reports don't wait for more."""
        read1 = getattr(self._stream, "read1", self._stream.read)
        piece: bytes = read1(size)
        self.bytes_read += len(piece)
        return piece


def read_reports(
    source: Source, form: Format, name: str, account: str | None, kind: Kind[Any]
) -> Iterator[Line]:
    """The reports of a file, in order.

    ``name`` is the file's: if ``form`` is ``auto``, its ending decides the format, or else the
    first character of the content. ``account`` is for reports that name none, ``kind`` gives the
    columns of CSV. Raises InputError where no single line is at fault: wrong columns, a broken
    array.
    """
    pieces = _pieces(source)
    first = _opening(pieces)
    whole = _chain(first, pieces)
    if form is Format.AUTO:
        form = _guess(name, first)
    match form:
        case Format.CSV:
            return _read_csv(whole, account, kind)
        case Format.NDJSON:
            return _read_ndjson(whole, account)
        case _:
            return _read_json(whole, account)


def _guess(name: str, first: bytes) -> Format:
    ending = name.lower().rpartition(".")[2]
    if ending in ("ndjson", "jsonl"):
        return Format.NDJSON
    if ending == "csv":
        return Format.CSV
    match first.lstrip()[:1]:
        case b"[":
            return Format.JSON
        case b"{":
            # One object over many lines is JSON; NDJSON has a whole one on its first line.
            line = first.lstrip().split(b"\n", 1)[0].strip()
            return Format.NDJSON if line.endswith(b"}") else Format.JSON
        case b"":
            return Format.NDJSON
    return Format.CSV


def _pieces(source: Source) -> Iterator[bytes]:
    while piece := source.read(_PIECE):
        yield piece


def _opening(pieces: Iterator[bytes]) -> bytes:
    """Enough to show the format: up to the bracket of an array, or the end of a line."""
    first = b""
    for piece in pieces:
        first += piece
        text = first.removeprefix(_BOM).lstrip()
        if text.startswith(b"[") or b"\n" in text or len(first) > _PIECE:
            break
    return first.removeprefix(_BOM)


def _chain(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their ends; the last one need not have one."""
    kept = b""
    for piece in pieces:
        *lines, kept = (kept + piece).split(b"\n")
        yield from lines
        if len(kept) > MAX_LINE_BYTES:
            raise InputError(
                f"a line is longer than {MAX_LINE_BYTES:,} bytes; is this a file of reports? "
                "(an array that begins elsewhere than at the start needs --format json)"
            )
    if kept:
        yield kept


class _Head(msgspec.Struct, gc=False):
    """What has to be known about a report here: its account. The rest is skipped."""

    account: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_read_head: Final = msgspec.json.Decoder(_Head).decode
_read_text: Final = msgspec.json.Decoder(str).decode


def _report(number: int, text: bytes, account: str | None) -> Line:
    """A line of one JSON object; ``account`` is inserted if the object names none."""
    try:
        text.decode()  # the decoder below skips over strings without looking into them
        head = _read_head(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Line(number, "", b"", f"not a JSON object: {error}")
    if head.account is not msgspec.UNSET:
        try:
            return Line(number, _read_text(head.account), text)
        except msgspec.DecodeError:
            return Line(number, "", text)
    if account is None:
        return Line(number, "", text)
    rest = text.lstrip()[1:]
    comma = b"" if rest.lstrip().startswith(b"}") else b","
    return Line(number, account, b'{"account":' + msgspec.json.encode(account) + comma + rest)


def _read_ndjson(pieces: Iterable[bytes], account: str | None) -> Iterator[Line]:
    for number, line in enumerate(_lines(pieces), start=1):
        if line and not line.isspace():
            yield _report(number, line.strip(), account)


# JSON: an array, or objects one after the other, over any number of lines. The decoder of the
# standard library finds where a value ends, so it is used on a window of text that grows only
# when the value at its start isn't complete.

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_scan: Final = json.JSONDecoder().raw_decode


def _read_json(pieces: Iterable[bytes], account: str | None) -> Iterator[Line]:
    window = _Window(pieces)
    array = window.skip() == "["
    if array:
        window.advance(1)
        if window.skip() == "]":
            _expect_end(window)
            return
    while window.skip():
        number = window.line
        text = window.value()
        # Line ends can only stand between tokens: inside strings JSON escapes them.
        flat = text.replace("\r", " ").replace("\n", " ").encode()
        yield _report(number, flat, account)
        match window.skip():
            case ",":
                window.advance(1)
            case "]" if array:
                _expect_end(window)
                return
            case "":
                break
            case _ if array:
                raise InputError(f"line {window.line}: reports of an array are separated by commas")
    if array:
        raise InputError(f"line {window.line}: the array has no end; the file seems cut off")


def _expect_end(window: "_Window") -> None:
    window.advance(1)
    if window.skip():
        raise InputError(f"line {window.line}: something follows the end of the array")


class _Window:
    """The text being parsed, and the line of the file at which it begins."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self.line = 1

    def _more(self) -> bool:
        """Append a piece; False at the end of the file."""
        piece = next(self._pieces, None)
        try:
            text = self._decoder.decode(piece or b"", final=piece is None)
        except UnicodeDecodeError:
            raise _not_utf8() from None
        self._text = self._text[self._at :] + text
        self._at = 0
        return piece is not None

    def skip(self) -> str:
        """Skip white space; return the next character, empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self.advance(match.end() - self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def advance(self, characters: int) -> None:
        """Move past some characters, counting lines."""
        end = self._at + characters
        self.line += self._text.count("\n", self._at, end)
        self._at = end

    def value(self) -> str:
        """The text of the JSON value here."""
        while True:
            try:
                _, end = _scan(self._text, self._at)
            except json.JSONDecodeError as error:
                if len(self._text) - self._at > MAX_LINE_BYTES or not self._more():
                    line = self.line + self._text.count("\n", self._at, error.pos)
                    raise InputError(f"line {line}: not JSON ({error.msg})") from None
                continue
            except RecursionError:
                raise InputError(f"line {self.line}: nested too deeply") from None
            # A number at the very end of the window may continue in the next piece.
            if end == len(self._text) and self._text[end - 1] != "}" and self._more():
                continue
            text = self._text[self._at : end]
            self.advance(end - self._at)
            return text


def _read_csv(pieces: Iterable[bytes], account: str | None, kind: Kind[Any]) -> Iterator[Line]:
    text = _Text(pieces)
    header = next(text, "")
    delimiter = max(",;\t", key=header.count)
    columns = [column.strip() for column in next(csv.reader([header], delimiter=delimiter), [])]
    _check_columns(columns, account, kind)
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    begin = 2
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise InputError(f"line {begin}: not CSV ({error})") from None
        if row is None:
            return
        number, begin = begin, rows.line_num + 2
        if not row:
            continue
        if len(row) != len(columns):
            wrong = f"{len(row)} cells, but the header has {len(columns)}"
            yield Line(number, "", b"", wrong)
            continue
        yield _row(number, dict(zip(columns, row, strict=True)), account, kind)


def _check_columns(columns: list[str], account: str | None, kind: Kind[Any]) -> None:
    """The header must name every key that has no default, and nothing else."""
    known = ("account", *kind.keys)
    unknown = [column for column in columns if column not in known]
    needed = {field.key for field in kind.fields if not field.nullable}
    needed |= {"account"} if account is None else set()
    missing = sorted(needed.difference(columns))
    problems = []
    if unknown:
        problems.append(f"unknown columns {', '.join(map(repr, unknown))}")
    if missing:
        hint = " (or give --account)" if "account" in missing else ""
        problems.append(f"missing columns {', '.join(missing)}{hint}")
    if len(set(columns)) < len(columns):
        problems.append("a column appears twice")
    if problems:
        raise InputError(
            f"line 1: {'; '.join(problems)}: the first line of a CSV file names its columns; "
            f"possible are {', '.join(known)}"
        )


def _row(number: int, cells: dict[str, str], account: str | None, kind: Kind[Any]) -> Line:
    owner = cells.get("account") or account or ""
    report: dict[str, object] = {"account": owner}
    for field in kind.fields:
        if field.key in cells:
            try:
                report[field.key] = field.from_cell(cells[field.key])
            except InputError as error:
                return Line(number, owner, b"", f"{field.key}: {error}")
    return Line(number, owner, msgspec.json.encode(report))


class _Text(Iterator[str]):
    """Lines of text with their ends, as the csv module needs them."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._lines = _lines(pieces)

    def __next__(self) -> str:
        try:
            return next(self._lines).decode() + "\n"
        except UnicodeDecodeError:
            raise _not_utf8() from None


def _not_utf8() -> InputError:
    return InputError(
        "the file is not UTF-8; if it comes from a Chinese spreadsheet: "
        "iconv -f GB18030 -t UTF-8 FILE"
    )
