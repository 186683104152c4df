"""Parameters of a query, each declared once: how it is read, and how the API document shows it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

from fastapi import Request

from statuspush.core.rules import ACCOUNT_PATTERN
from statuspush.core.values import Rule, Wrong, mistake, word, wrong_value
from statuspush.core.words import Words
from statuspush.web.body_fields import name_of_account, read_fields
from statuspush.web.problems import invalid

E = TypeVar("E", bound=StrEnum)

_INTEGER: Final = re.compile("[0-9]{1,9}")
_FLAG: Final = Words("true or false", "true 或 false")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One optional parameter."""

    name: str
    about: str
    """What it does, for the API document."""
    rule: Rule
    """Reads its value, which is a text."""
    schema: Mapping[str, Any]
    """The rule as a JSON schema."""
    default: Any = field(default=None, kw_only=True)
    """The value when it is left out."""


class Query:
    """The parameters that a route takes."""

    def __init__(self, *parameters: Parameter) -> None:
        """Take them in the order in which the API document lists them."""
        self._rules = {each.name: each.rule for each in parameters}
        self._defaults = {each.name: each.default for each in parameters}
        self.document: Final = [_document(each) for each in parameters]
        """Them as OpenAPI parameters."""

    def read(self, request: Request) -> dict[str, Any]:
        """The value of every parameter, its default where it is left out.

        Unknown ones are refused: a filter that is misspelt and passed over would answer with
        everything. Raises :class:`~statuspush.web.problems.Problem` 422.
        """
        items = request.query_params.multi_items()
        values: dict[str, object] = dict(items)
        if len(values) < len(items):
            names = [name for name, _ in items]
            raise invalid(
                *(
                    mistake(name, Words("is given more than once", "重复出现"))
                    for name in values
                    if names.count(name) > 1
                )
            )
        return self._defaults | read_fields(values, self._rules)


def _document(parameter: Parameter) -> dict[str, Any]:
    schema = dict(parameter.schema)
    if parameter.default is not None:
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.about,
        "schema": schema,
    }


def whole_number(name: str, about: str, least: int, most: int, *, default: int) -> Parameter:
    """An integer."""
    expected = Words(f"a whole number from {least} to {most}", f"{least} 到 {most} 的整数")

    def read(value: object) -> int:
        text = str(value)
        if _INTEGER.fullmatch(text) and least <= int(text) <= most:
            return int(text)
        raise wrong_value(text, expected)

    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Parameter(name, about, read, schema, default=default)


def flag(name: str, about: str, *, default: bool | None = None) -> Parameter:
    """``true`` or ``false``."""

    def read(value: object) -> bool:
        if value in ("true", "false"):
            return value == "true"
        raise wrong_value(value, _FLAG)

    return Parameter(name, about, read, {"type": "boolean"}, default=default)


def text(name: str, about: str, least: int, most: int) -> Parameter:
    """A text, with limits on its length."""

    def read(value: object) -> str:
        given = str(value)
        if least <= len(given) <= most:
            return given
        raise Wrong(
            Words(
                f"must have {least} to {most} characters, got {len(given)}",
                f"必须是 {least} 到 {most} 个字符，收到 {len(given)} 个",
            )
        )

    shortest = {"minLength": least} if least else {}
    return Parameter(name, about, read, {"type": "string", **shortest, "maxLength": most})


def one_of(name: str, about: str, words: type[E]) -> Parameter:
    """A word of an enumeration."""
    return Parameter(name, about, word(words), {"type": "string", "enum": [w.value for w in words]})


def account_name(name: str, about: str) -> Parameter:
    """The name of an account."""
    schema = {"type": "string", "pattern": f"^{ACCOUNT_PATTERN}$"}
    return Parameter(name, about, name_of_account, schema)
