"""``POST /v1/reports``: the one hot route, as bare ASGI.

FastAPI would take four times as long for each request (see docs/design.md), and a platform may
submit reports one by one. The document of the route is in :mod:`statuspush.web.reports_api`.
"""

from time import perf_counter
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from statuspush.core.errors import Overloaded
from statuspush.core.report import InvalidReports
from statuspush.web import problems
from statuspush.web.dependencies import WebDependencies
from statuspush.web.language import preferred
from statuspush.web.problems import Kind
from statuspush.web.requests import (
    JSON,
    NDJSON,
    Intake,
    check_token,
    header,
    media_type,
    read_body,
    unsupported,
)
from statuspush.web.responses import problem_for, send_problem

MAX_BODY: Final = 16 * 1024 * 1024

_HEADERS: Final = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
_REASONS: Final[dict[Kind, str]] = {
    problems.MALFORMED: "malformed",
    problems.TOO_LARGE: "too_large",
    problems.UNSUPPORTED: "unsupported",
    problems.UNAUTHORIZED: "unauthorized",
    problems.UNAVAILABLE: "unavailable",
}

_log: Final = structlog.get_logger(__name__)


class Submit:
    """ASGI application of the route; it checks the token itself."""

    def __init__(self, deps: WebDependencies) -> None:
        self._deps = deps
        self._intake = Intake(deps.max_intake_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 202 once the reports are on disk."""
        try:
            answer = await self._accept(scope, receive)
        except ClientDisconnect:
            return
        except Exception as error:
            await self._refuse(error, scope, send)
            return
        await send(
            {
                "type": "http.response.start",
                "status": 202,
                "headers": [*_HEADERS, (b"content-length", b"%d" % len(answer))],
            }
        )
        await send({"type": "http.response.body", "body": answer})

    async def _accept(self, scope: Scope, receive: Receive) -> bytes:
        authorization: list[bytes] = []
        kind = length = encoding = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization.append(value)
            elif name == b"content-type":
                kind = value
            elif name == b"content-length":
                length = value
            elif name == b"content-encoding":
                encoding = value
        check_token(authorization, self._deps.operator_token_hash())
        self._check_open()
        ndjson = self._is_ndjson(kind, encoding)
        declared = length.decode("latin-1") if length else None
        try:
            body = await read_body(receive, declared, limit=MAX_BODY, intake=self._intake)
        except Overloaded:
            self._deps.telemetry.overloaded()
            raise
        self._check_open()  # the body may have taken a while
        started = perf_counter()
        appended = await self._deps.accept.accept(body, ndjson=ndjson)
        self._deps.telemetry.accept(perf_counter() - started)
        return b'{"accepted":%d,"duplicates":%d}' % (appended.accepted, appended.duplicates)

    def _check_open(self) -> None:
        if self._deps.draining():
            raise problems.unavailable(problems.SHUTTING_DOWN)

    @staticmethod
    def _is_ndjson(kind: bytes | None, encoding: bytes | None) -> bool:
        if kind == b"application/json" and encoding is None:
            return False  # what nearly every request says
        named = media_type(
            kind.decode("latin-1") if kind else None,
            encoding.decode("latin-1") if encoding else None,
        )
        if named not in NDJSON and named != JSON:
            raise unsupported(f"{JSON} or application/x-ndjson")
        return named in NDJSON

    async def _refuse(self, error: Exception, scope: Scope, send: Send) -> None:
        problem = problem_for(error, _log, "submission failed")
        # These two are counted where they arise, with more figures.
        if not isinstance(error, InvalidReports | Overloaded):
            self._deps.telemetry.turned_away(_REASONS.get(problem.kind, "other"))
        await send_problem(send, problem, preferred(header(scope["headers"], b"accept-language")))
