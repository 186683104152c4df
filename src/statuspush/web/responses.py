"""Sending problems: from any exception to the bytes of its answer."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Send

from statuspush.core.values import Mistake
from statuspush.core.words import Language, Words
from statuspush.web import problems
from statuspush.web.language import preferred
from statuspush.web.problems import Problem, ProblemType, invalid, problem_of, render

SECURITY_HEADERS: Final = {"X-Content-Type-Options": "nosniff"}
NO_STORE: Final = {"Cache-Control": "no-store"}

_BY_STATUS: Final[dict[int, ProblemType]] = {
    kind.status.value: kind for kind in problems.KINDS.values()
}


def problem_for(error: Exception, log: Any, event: str) -> Problem:
    """The problem for any error; an unexpected one is logged and shows no internals."""
    problem = problem_of(error)
    if problem is not None:
        return problem
    incident = secrets.token_hex(6)
    log.error(event, incident=incident, exc_info=error)
    return Problem(
        problems.INTERNAL,
        Words(
            "the service made a mistake; the operator finds it in the log by the incident",
            "服务内部出错，运维人员可凭 incident 在日志中查到详情",
        ),
        members={"incident": incident},
    )


def problem_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """The headers of a problem outside FastAPI, as ASGI has them."""
    pairs = {**SECURITY_HEADERS, **NO_STORE, **headers}
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs.items()
    ]


async def send_problem(send: Send, problem: Problem, language: Language) -> None:
    """Answer a bare ASGI request with the problem."""
    status, headers, body = render(problem, language)
    await send(
        {"type": "http.response.start", "status": status, "headers": problem_headers(headers)}
    )
    await send({"type": "http.response.body", "body": body})


async def handle(request: Request, error: Exception) -> Response:
    """Exception handler of the FastAPI application."""
    if isinstance(error, ClientDisconnect):
        return Response(status_code=400)  # nobody is there to read it
    if isinstance(error, HTTPException):
        problem = _of_http(error, request)
    elif isinstance(error, RequestValidationError):
        problem = _of_fastapi(error)
    else:
        log = structlog.get_logger(__name__)
        event = f"{request.method} {request.url.path} failed"
        problem = problem_for(error, log, event)
    status, headers, body = render(problem, preferred(request.headers.get("accept-language")))
    return Response(body, status, headers)


def _of_http(error: HTTPException, request: Request) -> Problem:
    """What the framework itself refuses: mainly unknown paths and methods."""
    headers = dict(error.headers or {})
    if error.status_code == 404:
        detail = Words("there is nothing at this path", "该路径不存在")
    elif error.status_code == 405:
        detail = Words("this path does not take the method", "该路径不支持此方法")
        headers["Allow"] = request.app.state.allow(request.scope["path"]) or "GET, HEAD, OPTIONS"
    else:
        detail = Words(str(error.detail), str(error.detail))
    kind = _BY_STATUS.get(error.status_code, problems.MALFORMED)
    return Problem(kind, detail, headers=headers)


def _of_fastapi(error: RequestValidationError) -> Problem:
    """Handlers read and check everything themselves, so this is a second line of defence."""
    return invalid(
        *(
            Mistake(str(found["loc"][-1]), Words(str(found["msg"]), str(found["msg"])))
            for found in error.errors()
        )
    )
