"""Rules for the fields of request bodies (:mod:`statuspush.core.values`).

The JSON schemas beside the routes say the same to the OpenAPI document.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from statuspush.core.moment import Milliseconds
from statuspush.core.rules import describe, joined, validate_account_name
from statuspush.core.values import Rule, Wrong, collect, mistake, wrong_value
from statuspush.core.words import Words
from statuspush.web.problems import invalid

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ACCOUNT_NAME: Final = Words(
    "an account name: a letter or digit, then up to 63 letters, digits or . _ -",
    "账户名：以字母或数字开头，其后最多 63 个字母、数字或 . _ -",
)
_MOMENT: Final = Words(
    'a time with offset as in RFC 3339, such as "2026-01-02T03:04:05+08:00"',
    "RFC 3339 格式且带时差的时间，例如 “2026-01-02T03:04:05+08:00”",
)
MAX_NAME: Final = 200
_LATEST: Final[Milliseconds] = 7_258_118_400_000
"""2200-01-01, later than anything stored; engines need not hold larger numbers."""


def read_fields(
    values: Mapping[str, object], rules: Mapping[str, Rule], *, required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Read all values by their rules; raises one problem for all mistakes and missing fields."""
    read, mistakes = collect(values, rules)
    mistakes += [
        mistake(name, Words("is missing", "缺失")) for name in required if name not in values
    ]
    if mistakes:
        raise invalid(*mistakes)
    return read


def name_of_account(value: object) -> str:
    """An account's name in paths and queries (contract of ``PUT /v1/accounts/{account}``)."""
    if isinstance(value, str) and validate_account_name(value):
        return value
    raise wrong_value(value, _ACCOUNT_NAME)


def label(value: object) -> str:
    """A name for people: 1 to 200 characters, none of them a control character."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME:
        got = f"{len(value)} characters" if isinstance(value, str) else describe(value).en
        got_zh = f"{len(value)} 个字符" if isinstance(value, str) else describe(value).zh
        raise Wrong(
            Words(
                f"must be a string of 1 to {MAX_NAME} characters, got {got}",
                f"必须是 1 到 {MAX_NAME} 个字符的字符串，{joined('收到的是', got_zh)}",
            )
        )
    if found := _CONTROL.search(value):
        raise Wrong(
            Words(
                f"must not contain control characters, found one at position {found.start()}",
                f"不能包含控制字符，出现在第 {found.start()} 位",
            )
        )
    return value


def moment(value: object) -> Milliseconds:
    """A time limit in RFC 3339 with its offset, in milliseconds since the epoch.

    Anything before the epoch or after the year 2199 becomes that end: no limit.
    """
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        # The calendar's first and last days overflow with some offsets, hence both errors.
        with suppress(ValueError, OverflowError):
            moment = (datetime.fromisoformat(value.upper()) - _EPOCH) // _MILLISECOND
            return min(max(moment, 0), _LATEST)
    raise wrong_value(value, _MOMENT)


def rfc3339(time: Milliseconds) -> str:
    """The time as answers show it: ``2026-01-02T03:04:05.678Z``."""
    shown = _EPOCH + time * _MILLISECOND
    return shown.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
