"""The forms of an account's settings: what values are allowed, and how they are written.

A form knows a value in four places: decoded JSON (the API and the console), words of a command
line, what people are shown (without secrets), and what an engine stores.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from statuspush.core.customer_headers import (
    MAX_VALUE_LENGTH,
    InvalidHeader,
    parse_header,
    validate_header,
)
from statuspush.core.errors import InputError
from statuspush.core.rules import printable
from statuspush.core.signature import MAX_SECRET_BYTES, MIN_SECRET_BYTES, validate_secret
from statuspush.core.url import MAX_URL_LENGTH, validate_url
from statuspush.core.values import Rule, Wrong, must_be, nullable, word, wrong_value
from statuspush.core.words import Words

MASK: Final = "***"
"""Stands for the value of a header, which is stored and not shown."""
SET: Final = "set"
"""Stands for a secret, which is stored and not shown."""
NONE: Final = "none"
"""The word of a command line that removes a value."""
NEW: Final = "new"
"""The word of a command line that asks for a new secret."""
MAX_HEADERS: Final = 20

Headers = tuple[tuple[str, str], ...]

_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")


def _same(value: Any) -> Any:
    return value


def _last(words: Sequence[str]) -> object:
    return words[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What the values of a setting may be, and how they are written."""

    expected: Words
    """What a JSON value must be; follows "must be"."""
    read: Rule
    """From a decoded JSON value to the value; raises :class:`~statuspush.core.values.Wrong`."""
    schema: Mapping[str, Any]
    """JSON schema (as in OpenAPI 3.0) of what :attr:`read` takes."""
    metavar: str
    """Stands for the value in the help of a command."""
    typed: Words
    """What is expected on a command line."""
    parse: Callable[[Sequence[str]], object] = _last
    """From the words given on a command line, at least one, to a JSON value.

    It is not checked: a meaningless word is left as it is, for :attr:`read` to refuse. Raises
    :class:`~statuspush.core.errors.InputError` for what can't be written in JSON at all.
    """
    repeatable: bool = False
    """The flag may be given several times, one word each."""
    shown_as: Any
    """Type of what :attr:`show` returns."""
    show: Callable[[Any], Any] = _same
    """From the value to JSON, without secrets."""
    secret: bool = False
    """Holds a password or key, at least in part: it is neither logged nor shown."""
    store: Callable[[Any], Any] = _same
    """From the value to JSON, complete."""
    restore: Callable[[Any], Any] = _same
    """From what :attr:`store` made to the value; raises ``ValueError``, ``TypeError``."""


def _words_or_null(words: Words) -> Words:
    return Words(f"{words.en}, or null", f"{words.zh}，或 null")


def _or_null(form: Form) -> Form:
    """The form, or null; on a command line the word ``none``. ``form.expected`` says so already."""
    read, parse, show = form.read, form.parse, form.show
    return replace(
        form,
        read=nullable(read),
        schema={**form.schema, "nullable": True},
        typed=Words(f"{form.typed.en}, or {NONE}", f"{form.typed.zh}，或 {NONE}"),
        parse=lambda words: None if words[-1] == NONE else parse(words),
        shown_as=form.shown_as | None,
        show=lambda value: None if value is None else show(value),
    )


def choice(kind: type[StrEnum]) -> Form:
    """One of the words of an enumeration."""
    members = [member.value for member in kind]
    listed = ", ".join(members)
    expected = Words(f"one of {listed}", f"以下之一：{listed}")
    return Form(
        expected=expected,
        read=word(kind),
        schema={"type": "string", "enum": members},
        metavar="|".join(members),
        typed=expected,
        shown_as=kind,
        store=str,
        restore=kind,
    )


def integer(least: int, most: int, *, null: bool = False) -> Form:
    """A whole number in that range."""
    typed = Words(f"a whole number from {least:,} to {most:,}", f"{least:,} 到 {most:,} 的整数")
    expected = _words_or_null(typed) if null else typed

    def read(value: object) -> int:
        if type(value) is int and least <= value <= most:
            return value
        raise wrong_value(value, expected)

    def parse(words: Sequence[str]) -> object:
        return int(words[-1]) if _INTEGER.fullmatch(words[-1]) else words[-1]

    form = Form(
        expected=expected,
        read=read,
        schema={"type": "integer", "minimum": least, "maximum": most},
        metavar="N",
        typed=typed,
        parse=parse,
        shown_as=int,
    )
    return _or_null(form) if null else form


def seconds(least: float, most: float) -> Form:
    """A number of seconds in that range."""
    expected = Words(
        f"a number of seconds from {least:g} to {most:g}", f"{least:g} 到 {most:g} 之间的秒数"
    )

    def read(value: object) -> float:
        if type(value) in (int, float):
            assert isinstance(value, int | float)
            if least <= value <= most:
                return float(value)
        raise wrong_value(value, expected)

    def parse(words: Sequence[str]) -> object:
        with suppress(ValueError):
            return float(words[-1])
        return words[-1]

    return Form(
        expected=expected,
        read=read,
        schema={"type": "number", "minimum": least, "maximum": most},
        metavar="SECONDS",
        typed=expected,
        parse=parse,
        shown_as=float,
    )


def _refusing(check: Callable[..., object], *values: str) -> None:
    """Turn the refusal of a check into a complaint about the field."""
    try:
        check(*values)
    except InputError as error:
        raise Wrong(Words(f"is refused: {error.words.en}", f"被拒绝：{error.words.zh}")) from None


def url() -> Form:
    """A customer's URL, or null."""
    typed = Words(
        f"an http or https URL of at most {MAX_URL_LENGTH:,} characters",
        f"不超过 {MAX_URL_LENGTH:,} 个字符的 http 或 https URL",
    )
    expected = _words_or_null(typed)

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise wrong_value(value, expected)
        _refusing(validate_url, value)
        return value

    return _or_null(
        Form(
            expected=expected,
            read=read,
            schema={"type": "string", "format": "uri", "maxLength": MAX_URL_LENGTH},
            metavar="URL",
            typed=typed,
            shown_as=str,
        )
    )


def secret() -> Form:
    """A signing secret, or null. No message repeats it."""
    typed = Words(
        f"whsec_ and base64 of {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes",
        f"whsec_ 加上 {MIN_SECRET_BYTES} 到 {MAX_SECRET_BYTES} 字节内容的 base64 编码",
    )
    expected = _words_or_null(typed)

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise Wrong(must_be(expected))
        _refusing(validate_secret, value)
        return value

    return _or_null(
        Form(
            expected=expected,
            read=read,
            schema={"type": "string", "pattern": "^whsec_[A-Za-z0-9+/]+={0,2}$"},
            metavar="SECRET",
            typed=Words(f"{typed.en}, or {NEW} to make one", f"{typed.zh}，或 {NEW} 以生成新密钥"),
            shown_as=str,
            show=lambda _: SET,
            secret=True,
        )
    )


def headers() -> Form:
    """Names and values of further headers. No message repeats a value: it may hold a password."""
    expected = Words(
        f"an object of at most {MAX_HEADERS} names and values",
        f"由最多 {MAX_HEADERS} 个名称和值组成的对象",
    )

    def read(value: object) -> Headers:
        if not isinstance(value, dict):
            raise Wrong(must_be(expected))
        if len(value) > MAX_HEADERS:
            raise Wrong(
                Words(
                    f"may hold at most {MAX_HEADERS} headers, got {len(value)}",
                    f"最多 {MAX_HEADERS} 个请求头，收到 {len(value)} 个",
                )
            )
        return _without_doubles([(name, _header(name, text)) for name, text in value.items()])

    return Form(
        expected=expected,
        read=read,
        schema={
            "type": "object",
            "maxProperties": MAX_HEADERS,
            "additionalProperties": {"type": "string", "maxLength": MAX_VALUE_LENGTH},
        },
        metavar="'NAME: VALUE'",
        typed=Words(
            f"'Name: value', at most {MAX_HEADERS} times, or {NONE}",
            f"“名称: 值”，最多 {MAX_HEADERS} 个，或 {NONE}",
        ),
        parse=_header_lines,
        repeatable=True,
        shown_as=dict[str, str],
        show=lambda value: {name: MASK for name, _ in value},
        secret=True,
        store=lambda value: [list(pair) for pair in value],
        restore=lambda stored: tuple((str(name), str(text)) for name, text in stored),
    )


def _header(name: str, text: object) -> str:
    """The value of a header, checked."""
    if not isinstance(text, str):
        shown = printable(name)
        raise Wrong(Words(f"{shown!r} must have a string", f"{shown!r} 的值必须是字符串"))
    _refusing(validate_header, name, text)
    return text


def _without_doubles(pairs: Sequence[tuple[str, str]]) -> Headers:
    """The headers, unless one comes twice; names that differ only in case are the same."""
    seen = set()
    for name, _ in pairs:
        if name.lower() in seen:
            shown = printable(name)
            raise Wrong(Words(f"name {shown!r} twice", f"中 {shown!r} 重复出现"))
        seen.add(name.lower())
    return tuple(pairs)


def _header_lines(words: Sequence[str]) -> object:
    if list(words) == [NONE]:
        return {}
    pairs = [parse_header(line) for line in words]
    # A JSON object can't hold a name twice, so this would go unnoticed.
    with suppress(Wrong):
        return dict(_without_doubles(pairs))
    raise InvalidHeader(Words("a header is given twice", "同一请求头重复出现"))


def unmasked(given: Headers, stored: Headers) -> Headers:
    """Headers with each :data:`MASK` replaced by the value stored under that name.

    Raises :class:`~statuspush.core.values.Wrong` if none is stored.
    """
    known = {name.lower(): text for name, text in stored}
    found = []
    for name, text in given:
        if text == MASK:
            if name.lower() not in known:
                raise Wrong(
                    Words(
                        f"{printable(name)!r} is {MASK}, which stands for a stored value, "
                        "but none is stored under that name",
                        f"中 {printable(name)!r} 的值为 {MASK}，表示沿用已保存的值，"
                        "但该名称下没有已保存的值",
                    )
                )
            text = known[name.lower()]  # noqa: PLW2901 - the mask means just this
        found.append((name, text))
    return tuple(found)
