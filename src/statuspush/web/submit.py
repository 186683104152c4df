"""``POST /v1/reports``: the rules of every submission, and the route as bare ASGI.

FastAPI would take four times as long for each request (see docs/design.md), and a platform may
submit reports one by one. In a worker nearly all submissions come in through
:mod:`statuspush.web.front`, which is faster still and uses the same :class:`SubmissionRules`. The
document of the route is in :mod:`statuspush.web.reports_api`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from statuspush.core.errors import Overloaded
from statuspush.core.kinds import Kind
from statuspush.core.report import InvalidReports
from statuspush.core.words import Language
from statuspush.store.base import Appended
from statuspush.web import problems
from statuspush.web.body import ArrivingBodies, Body, check_length, read_body
from statuspush.web.dependencies import Accepted, WebDependencies
from statuspush.web.language import preferred
from statuspush.web.problems import Problem, ProblemType
from statuspush.web.requests import JSON, NDJSON, check_token, header, media_type, unsupported
from statuspush.web.responses import NO_STORE, SECURITY_HEADERS, problem_for, send_problem

MAX_BODY: Final = 16 * 1024 * 1024

HEADERS: Final = (
    (b"content-type", b"application/json"),
    *(
        (name.lower().encode(), value.encode())
        for name, value in (*NO_STORE.items(), *SECURITY_HEADERS.items())
    ),
)
"""Headers of the answer to an accepted submission, besides its length."""

_REASONS: Final[dict[ProblemType, str]] = {
    problems.MALFORMED: "malformed",
    problems.TOO_LARGE: "too_large",
    problems.UNSUPPORTED: "unsupported",
    problems.UNAUTHORIZED: "unauthorized",
    problems.UNAVAILABLE: "unavailable",
}

_log: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A submission whose head has been checked."""

    ndjson: bool
    declared: str | None
    """Its Content-Length."""
    token: bytes
    """The digest that its token was compared with."""


class SubmissionRules:
    """The rules of the route, however a submission comes in."""

    def __init__(self, deps: WebDependencies, kind: Kind[Any]) -> None:
        self._deps = deps
        self._kind = kind
        self._telemetry = deps.telemetry
        self.intake = ArrivingBodies(deps.max_intake_bytes, deps.telemetry.overloaded)
        """Bodies that are arriving now."""

    def admit(self, headers: Sequence[tuple[bytes, bytes]]) -> Admitted:
        """Check the head of a submission: token, media type, length.

        Raises :class:`Problem` 401, 413, 415, and 503 while the service shuts down.
        """
        authorization: list[bytes] = []
        kind = length = encoding = None
        for name, value in headers:
            if name == b"authorization":
                authorization.append(value)
            elif name == b"content-type":
                kind = value
            elif name == b"content-length":
                length = value
            elif name == b"content-encoding":
                encoding = value
        token = self._deps.operator_token_hash()
        check_token(authorization, token)
        if self._deps.draining():
            raise problems.unavailable(problems.SHUTTING_DOWN)
        ndjson = _is_ndjson(kind, encoding)
        declared = length.decode("latin-1") if length else None
        check_length(declared, MAX_BODY)
        return Admitted(ndjson, declared, token)

    def still_admits(self, admitted: Admitted) -> bool:
        """Whether another submission with the same head is admitted too."""
        return admitted.token == self._deps.operator_token_hash() and not self._deps.draining()

    def body(self) -> Body:
        """A new :class:`Body` in which a submission's body is collected."""
        return Body(MAX_BODY, self.intake)

    def take(self, admitted: Admitted, body: bytes, done: Accepted) -> None:
        """Store the reports of a body; see :meth:`statuspush.worker.accept.Accept.begin`."""
        if self._deps.draining():  # the body may have taken a while
            done(problems.unavailable(problems.SHUTTING_DOWN))
            return
        started = perf_counter()

        def accepted(result: Appended | Exception) -> None:
            if isinstance(result, Appended):
                self._telemetry.accept(perf_counter() - started)
            done(result)

        self._deps.accept.begin(body, self._kind, ndjson=admitted.ndjson, done=accepted)

    def refusal(
        self, error: Exception, headers: Sequence[tuple[bytes, bytes]]
    ) -> tuple[Problem, Language]:
        """The problem to answer a submission with, and the language; counts the refusal."""
        problem = problem_for(error, _log, "submission failed")
        # These two are counted where they arise, with more detail.
        if not isinstance(error, InvalidReports | Overloaded):
            self._telemetry.turned_away(_REASONS.get(problem.kind, "other"))
        return problem, preferred(header(headers, b"accept-language"))


def accepted_body(appended: Appended) -> bytes:
    """The body of the answer to an accepted submission."""
    return b'{"accepted":%d,"duplicates":%d}' % (appended.accepted, appended.duplicates)


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


class SubmitRoute:
    """ASGI application of the route; it checks the token itself."""

    def __init__(self, submissions: SubmissionRules) -> None:
        self._submissions = submissions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 202 once the reports are on disk."""
        try:
            answer = accepted_body(await self._accept(scope, receive))
        except ClientDisconnect:
            return
        except Exception as error:
            await send_problem(send, *self._submissions.refusal(error, scope["headers"]))
            return
        await send(
            {
                "type": "http.response.start",
                "status": 202,
                "headers": [*HEADERS, (b"content-length", b"%d" % len(answer))],
            }
        )
        await send({"type": "http.response.body", "body": answer})

    async def _accept(self, scope: Scope, receive: Receive) -> Appended:
        submissions = self._submissions
        admitted = submissions.admit(scope["headers"])
        body = await read_body(
            receive, admitted.declared, limit=MAX_BODY, intake=submissions.intake
        )
        waiter: asyncio.Future[Appended | Exception] = asyncio.get_running_loop().create_future()
        submissions.take(admitted, body, waiter.set_result)
        result = await waiter
        if isinstance(result, Exception):
            raise result
        return result
