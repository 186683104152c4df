"""A change to the push settings of an account: what may be changed, and to what."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from statuspush.core.contract import VOICE_STATUS, Mode, Wire
from statuspush.core.errors import InputError
from statuspush.core.rules import printable
from statuspush.core.signature import validate_secret
from statuspush.core.words import Words
from statuspush.store.base import PushSettings
from statuspush.transport import validate_header, validate_url
from statuspush.web.fields import (
    Rule,
    Wrong,
    collect,
    integer,
    mistake,
    nullable,
    seconds,
    word,
    wrong_value,
)
from statuspush.web.problems import Mistake, invalid
from statuspush.web.views import MASK

MAX_BYTES: Final = (1_000, 100_000_000)
"""Least and most of ``max_bytes``. Below the least not even a single report would fit."""
MAX_IN_FLIGHT: Final = 64
CONNECT_SECONDS: Final = (0.1, 60.0)
TIMEOUT_SECONDS: Final = (0.5, 300.0)
MAX_HEADERS: Final = 20


def _check(check: Callable[..., object], *values: str, zh: str | None = None) -> None:
    """Turn the refusal of another room into one of the field, in both languages."""
    try:
        check(*values)
    except InputError as error:
        raise Wrong(f"is refused: {error.words.en}", f"被拒绝：{zh or error.words.zh}") from None


def _url(value: object) -> str:
    if not isinstance(value, str):
        raise wrong_value(value, "a URL or null", " URL 或 null")
    _check(validate_url, value)
    return value


def _secret(value: object) -> str:
    # Neither message repeats the value.
    if not isinstance(value, str):
        raise Wrong("must be a string or null", "必须是字符串或 null")
    _check(
        validate_secret,
        value,
        zh="签名密钥必须以 whsec_ 开头，其后为 24 到 64 字节内容的 base64 编码",
    )
    return value


def _headers(current: tuple[tuple[str, str], ...]) -> Rule:
    def read(value: object) -> tuple[tuple[str, str], ...]:
        if not isinstance(value, dict):
            # Like the messages below, without what was given: it may hold a password.
            raise Wrong("must be an object of names and values", "必须是由名称和值组成的对象")
        if len(value) > MAX_HEADERS:
            raise Wrong(
                f"may hold at most {MAX_HEADERS} headers, got {len(value)}",
                f"最多 {MAX_HEADERS} 个请求头，收到 {len(value)} 个",
            )
        stored = {name.lower(): text for name, text in current}
        read: dict[str, tuple[str, str]] = {}
        for name, given in value.items():
            shown = printable(name)
            if not isinstance(given, str):
                raise Wrong(f"{shown!r} must have a string", f"{shown!r} 的值必须是字符串")
            if name.lower() in read:
                raise Wrong(f"name {shown!r} twice", f"中 {shown!r} 重复出现")
            # Answers show masks; sent back unchanged they mean the value that they stand for.
            text = stored.get(name.lower(), given) if given == MASK else given
            _check(validate_header, name, text)
            read[name.lower()] = (name, text)
        return tuple(read.values())

    return read


def _rules(current: PushSettings) -> dict[str, Rule]:
    return {
        "mode": word(Mode),
        "url": nullable(_url),
        "wire": word(Wire),
        "max_reports": integer(1, VOICE_STATUS.max_reports),
        "max_bytes": nullable(integer(*MAX_BYTES)),
        "max_in_flight": integer(1, MAX_IN_FLIGHT),
        "connect_seconds": seconds(*CONNECT_SECONDS),
        "timeout_seconds": seconds(*TIMEOUT_SECONDS),
        "secret": nullable(_secret),
        "headers": _headers(current.headers),
    }


def changed(current: PushSettings, patch: Mapping[str, object]) -> PushSettings:
    """The settings after ``patch``, a decoded JSON object; what it does not name stays.

    Raises the :class:`~statuspush.web.problems.Problem` 422 with every mistake in it.
    """
    read, mistakes = collect(patch, _rules(current))
    settings = replace(current, **read)
    mistakes += _together(settings, patch, {found.field for found in mistakes})
    if mistakes:
        raise invalid(*mistakes)
    return settings


def _together(
    settings: PushSettings, patch: Mapping[str, object], wrong: set[str]
) -> list[Mistake]:
    """Mistakes that only several settings together make; none of fields that are ``wrong``."""
    mistakes = []
    if settings.mode is Mode.ON and settings.url is None and not wrong & {"mode", "url"}:
        mistakes.append(
            mistake("url", Words("is needed to switch push on", "未设置，无法开启推送"))
        )
    times = {"connect_seconds", "timeout_seconds"}
    if settings.connect_seconds > settings.timeout_seconds and not wrong & times:
        field = "timeout_seconds" if "timeout_seconds" in patch else "connect_seconds"
        mistakes.append(
            mistake(
                field,
                Words(
                    f"does not fit: connect_seconds ({settings.connect_seconds:g}) is longer than "
                    f"timeout_seconds ({settings.timeout_seconds:g}), which includes it",
                    f"不合理：connect_seconds（{settings.connect_seconds:g}）大于包含它的 "
                    f"timeout_seconds（{settings.timeout_seconds:g}）",
                ),
            )
        )
    return mistakes


SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "description": "Any of the settings; those left out stay as they are.",
    "properties": {
        "mode": {
            "type": "string",
            "enum": [mode.value for mode in Mode],
            "description": "`on` needs a `url`. From `off` to `on`, only reports accepted from "
            "then on are pushed by themselves. To `off`, waiting pushes are cancelled.",
        },
        "url": {
            "type": "string",
            "format": "uri",
            "nullable": True,
            "maxLength": 2048,
            "description": "http or https. Where the host leads is checked at each send.",
        },
        "wire": {"type": "string", "enum": [wire.value for wire in Wire]},
        "max_reports": {"type": "integer", "minimum": 1, "maximum": VOICE_STATUS.max_reports},
        "max_bytes": {
            "type": "integer",
            "nullable": True,
            "minimum": MAX_BYTES[0],
            "maximum": MAX_BYTES[1],
        },
        "max_in_flight": {"type": "integer", "minimum": 1, "maximum": MAX_IN_FLIGHT},
        "connect_seconds": {
            "type": "number",
            "minimum": CONNECT_SECONDS[0],
            "maximum": CONNECT_SECONDS[1],
        },
        "timeout_seconds": {
            "type": "number",
            "minimum": TIMEOUT_SECONDS[0],
            "maximum": TIMEOUT_SECONDS[1],
            "description": "Includes connecting, so it is at least `connect_seconds`.",
        },
        "secret": {
            "type": "string",
            "nullable": True,
            "pattern": "^whsec_[A-Za-z0-9+/]+={0,2}$",
            "description": "`whsec_` and base64 of 24 to 64 bytes, for the signature of Standard "
            "Webhooks.",
        },
        "headers": {
            "type": "object",
            "maxProperties": MAX_HEADERS,
            "additionalProperties": {"type": "string", "maxLength": 4096},
            "description": "Further headers of each push; replaces all that were set. A value "
            f"of `{MASK}` keeps the one that is stored under that name.",
        },
    },
    "example": {"mode": "on", "url": "https://customer.example/voice_status"},
}
"""The body of ``PATCH /v1/accounts/{account}/push``."""
