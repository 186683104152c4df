"""What comes in: media types, small JSON bodies, queries, the token."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from fastapi import Depends, Path, Request

from statuspush.core.rules import ACCOUNT_PATTERN
from statuspush.core.values import Wrong, mistake
from statuspush.core.words import Language, Words
from statuspush.web import problems
from statuspush.web.body import read_body
from statuspush.web.body_fields import name_of_account
from statuspush.web.language import preferred
from statuspush.web.problems import Problem, invalid

Headers = Iterable[tuple[bytes, bytes]]
"""As ASGI has them, names in lower case."""

SMALL_BODY: Final = 64 * 1024
"""Most bytes of a body, on all routes except that of submissions."""

JSON: Final = "application/json"
NDJSON: Final = frozenset({"application/x-ndjson", "application/ndjson"})

_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii"})
_PUSH_ID: Final = re.compile("[A-Za-z0-9_-]{1,64}")
# RFC 6750; the scheme's name is case-insensitive as in all of HTTP.
_BEARER: Final = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([!-~]+) *")
_REVISION: Final = re.compile('"([0-9]{1,18})"')
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="statuspush"'}


def header(headers: Headers, name: bytes) -> str | None:
    """The value of a header that may come once; None if it is missing or comes more often."""
    values = [value for key, value in headers if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else None


def check_token(authorization: list[bytes], expected: bytes) -> None:
    """Let only the operator through.

    ``authorization`` holds all values of that header, ``expected`` is the sha256 of the token.
    Digests are compared in constant time, so neither length nor content of the token leaks.
    Raises :class:`Problem` 401.
    """
    match = _BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
    given = hashlib.sha256(match[1]).digest() if match else b""
    if hmac.compare_digest(given, expected):
        return
    detail = (
        Words("the operator token is wrong", "运营方令牌错误")
        if match
        else Words(
            "the header Authorization: Bearer <operator token> is missing",
            "缺少请求头 Authorization: Bearer <运营方令牌>",
        )
    )
    raise Problem(problems.UNAUTHORIZED, detail, headers=_CHALLENGE)


def media_type(content_type: str | None, content_encoding: str | None) -> str:
    """Type of the body in lower case; a body without a type is taken as JSON.

    Raises :class:`Problem` 415 for a charset other than UTF-8 and for compressed bodies.
    """
    if content_encoding and content_encoding.strip().lower() != "identity":
        raise Problem(
            problems.UNSUPPORTED,
            Words("send the body without Content-Encoding", "请求体不得使用 Content-Encoding"),
        )
    if not content_type:
        return JSON
    kind, *parameters = content_type.split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in _UTF8:
            raise Problem(
                problems.UNSUPPORTED, Words("the body must be UTF-8", "请求体必须是 UTF-8 编码")
            )
    return kind.strip().lower()


def unsupported(expected: str) -> Problem:
    """The problem of a body of the wrong type."""
    return Problem(
        problems.UNSUPPORTED,
        Words(f"send the body as Content-Type: {expected}", f"请使用 Content-Type: {expected}"),
    )


async def read_object(request: Request, *, optional: bool = False) -> dict[str, object]:
    """The JSON object in the body of a small request; ``{}`` for none if ``optional``.

    Raises :class:`Problem` 400, 413, 415.
    """
    raw = request.headers
    kind = media_type(raw.get("content-type"), raw.get("content-encoding"))
    body = await read_body(request.receive, raw.get("content-length"), limit=SMALL_BODY)
    if optional and not body:
        return {}
    if kind != JSON:
        raise unsupported(JSON)
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Problem(
            problems.MALFORMED, Words("the body is not JSON", "请求体不是 JSON")
        ) from None
    if not isinstance(value, dict):
        raise Problem(
            problems.MALFORMED, Words("the body must be a JSON object", "请求体必须是 JSON 对象")
        )
    return value


def etag(revision: int) -> str:
    """The revision of settings as a header writes it (RFC 9110 section 8.8.3)."""
    return f'"{revision}"'


def revisions(if_match: str | None) -> list[int] | None:
    """The revisions that ``If-Match`` names (RFC 9110 section 13.1.1).

    None if it names none in particular: without the header, and for ``*``. A tag that is not ours
    matches no revision.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (tag.strip() for tag in if_match.split(","))
    return [int(match[1]) for match in map(_REVISION.fullmatch, tags) if match]


async def _language(request: Request) -> Language:
    return preferred(request.headers.get("accept-language"))


async def _account_in_path(
    account: Annotated[
        str,
        Path(
            description="Name of the account: a letter or digit, then up to 63 letters, digits, "
            "`.`, `_` or `-`.",
            json_schema_extra={"pattern": f"^{ACCOUNT_PATTERN}$", "example": "acme"},
        ),
    ],
) -> str:
    try:
        return name_of_account(account)
    except Wrong as wrong:
        raise invalid(mistake("account", wrong.words)) from None


async def _push_in_path(
    push: Annotated[
        str,
        Path(
            alias="id",
            description="Id of the push, as listings and the header `webhook-id` show it.",
            json_schema_extra={"example": "psh_0c8d1x4s0g000"},
        ),
    ],
) -> str:
    # Ids are opaque here. One that can't be ours is simply unknown.
    if not _PUSH_ID.fullmatch(push):
        raise Problem(problems.NOT_FOUND, Words("there is no such push", "没有这个推送"))
    return push


InLanguage = Annotated[Language, Depends(_language)]
"""The language that the client prefers."""
AccountInPath = Annotated[str, Depends(_account_in_path)]
"""``{account}`` of the path, checked; 422 otherwise."""
PushInPath = Annotated[str, Depends(_push_in_path)]
"""``{id}`` of the path; 404 for what can't be an id."""
