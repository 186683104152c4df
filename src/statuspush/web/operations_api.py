"""The routes for monitors: ``/healthz``, ``/readyz``, ``/metrics``; and what problems mean."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from statuspush.core.words import Words
from statuspush.web import problems
from statuspush.web.dependencies import InWeb
from statuspush.web.document import answers
from statuspush.web.problems import Problem
from statuspush.web.requests import InLanguage
from statuspush.web.views import View

router = APIRouter(tags=["operations"])

PING_SECONDS: Final = 2.0
"""How long the store may take to answer before the service counts as not ready."""


class StatusView(View):
    """One word."""

    status: str


@router.get("/healthz", summary="Whether the process is alive")
async def healthz() -> StatusView:
    """Answers as long as the event loop runs; if it doesn't, a restart helps."""
    return StatusView(status="ok")


@router.get(
    "/readyz", summary="Whether reports can be submitted", responses=answers(problems.UNAVAILABLE)
)
async def readyz(web: InWeb) -> StatusView:
    """Not while starting or shutting down, or when the disk can't be written."""
    if web.deps.draining():
        raise problems.unavailable(problems.SHUTTING_DOWN)
    reason = web.deps.not_ready()
    if reason is not None:
        raise problems.unavailable(Words(reason, reason))
    try:
        async with asyncio.timeout(PING_SECONDS):
            await web.store.ping()
    except TimeoutError:
        raise problems.unavailable(Words("the store does not answer", "存储没有响应")) from None
    return StatusView(status="ready")


_METRICS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "All metrics; their names begin with `statuspush_`.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=PlainTextResponse,
    responses=_METRICS,
)
async def metrics(request: Request, web: InWeb) -> Response:
    """In the text format of Prometheus, or that of OpenMetrics if the client prefers it."""
    body, content_type = await web.deps.metrics(request.headers.get("accept"))
    return Response(body, headers={"Content-Type": content_type})


@router.get("/problems/{name}", include_in_schema=False)
async def explain_problem(name: str, language: InLanguage) -> Response:
    """What a problem's ``type`` leads to: what it means, in a few words."""
    kind = problems.KINDS.get(name)
    if kind is None:
        raise Problem(problems.NOT_FOUND, Words("there is no such problem", "没有这种问题"))
    text = f"{kind.status.value} {kind.title.to(language)}\n\n{kind.meaning.to(language)}\n"
    return PlainTextResponse(
        text, headers={"Content-Language": language, "Vary": "Accept-Language"}
    )
