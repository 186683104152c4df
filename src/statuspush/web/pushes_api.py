"""Looking at pushes and redriving them: ``/v1/accounts/{account}/pushes``, ``/v1/pushes``."""

from enum import StrEnum
from typing import Any, Final

from fastapi import APIRouter, Request

from statuspush.core.lifecycle import State
from statuspush.core.values import Wrong, mistake, nullable, word
from statuspush.core.words import Words
from statuspush.store.base import Redriven
from statuspush.web import problems
from statuspush.web.body_fields import (
    moment,
    read_fields,
)
from statuspush.web.dependencies import InWeb
from statuspush.web.document import WITH_BODY, answers, json_body
from statuspush.web.present import push_view, summary_view
from statuspush.web.problems import invalid
from statuspush.web.query import Query, one_of, text, whole_number
from statuspush.web.requests import (
    AccountInPath,
    InLanguage,
    PushInPath,
    read_object,
)
from statuspush.web.views import (
    PushesView,
    PushView,
    RedrivenView,
)

router = APIRouter(prefix="/v1", tags=["pushes"])

MAX_PAGE: Final = 100
DEFAULT_PAGE: Final = 20
_MAX_CURSOR: Final = 200


class Redrivable(StrEnum):
    """States from which a person can redrive a push."""

    EXHAUSTED = "exhausted"
    CANCELLED = "cancelled"
    DELIVERED = "delivered"


_MOMENT_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "format": "date-time",
    "nullable": True,
    "description": "RFC 3339 with offset.",
}
_STATE_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "enum": [state.value for state in Redrivable],
}
_REDRIVE_BODY: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "since": {**_MOMENT_SCHEMA, "example": "2026-01-02T00:00:00+08:00"},
        "until": {**_MOMENT_SCHEMA, "example": "2026-01-03T00:00:00+08:00"},
        "state": {
            "oneOf": [
                _STATE_SCHEMA,
                {"type": "array", "items": _STATE_SCHEMA, "minItems": 1},
            ],
            "default": "exhausted",
            "description": "State or states of the pushes that are redriven.",
        },
    },
    "example": {"since": "2026-01-02T00:00:00+08:00", "state": ["exhausted", "cancelled"]},
}

_LISTED: Final = Query(
    one_of("state", "Only pushes in this state.", State),
    text("cursor", "`next` of the page before.", 1, _MAX_CURSOR),
    whole_number("limit", "Most pushes on the page.", 1, MAX_PAGE, default=DEFAULT_PAGE),
)


def _states(value: object) -> frozenset[State]:
    read = word(Redrivable)
    if isinstance(value, list):
        if not value:
            raise Wrong(Words("must name at least one state", "至少要有一个状态"))
        return frozenset(State(read(item).value) for item in value)
    return frozenset({State(read(value).value)})


@router.get(
    "/accounts/{account}/pushes",
    summary="Pushes of an account",
    responses=answers(problems.NOT_FOUND, problems.VALIDATION),
    openapi_extra={"parameters": _LISTED.document},
)
async def list_pushes(account: AccountInPath, request: Request, web: InWeb) -> PushesView:
    """Newest first."""
    page = await web.store.list_pushes(account, **_LISTED.read(request))
    return PushesView(items=[summary_view(push) for push in page.items], next=page.next)


@router.get(
    "/pushes/{id}",
    summary="One push",
    responses=answers(problems.NOT_FOUND, problems.VALIDATION),
)
async def get_push(push: PushInPath, web: InWeb, language: InLanguage) -> PushView:
    """With its reports and every attempt, each explained in plain words."""
    return push_view(await web.store.get_push(push), language)


@router.post(
    "/pushes/{id}/redrive",
    summary="Send a push again",
    status_code=202,
    response_description="A new push over the same reports waits to be sent.",
    responses=answers(problems.NOT_FOUND, problems.CONFLICT, problems.VALIDATION),
)
async def redrive_push(push: PushInPath, web: InWeb) -> RedrivenView:
    """Refused while the push, or a redrive of it, is under way."""
    redriven = await web.store.redrive_push(push, web.now())
    return _view(redriven)


@router.post(
    "/accounts/{account}/redrive",
    summary="Send an account's pushes again",
    status_code=202,
    response_description="New pushes over the same reports wait to be sent.",
    responses=answers(*WITH_BODY, problems.NOT_FOUND, problems.CONFLICT),
    openapi_extra={"requestBody": json_body(_REDRIVE_BODY, required=False)},
)
async def redrive_account(account: AccountInPath, request: Request, web: InWeb) -> RedrivenView:
    """All pushes created from `since` up to but not including `until` that are in `state`.

    Without a body: all exhausted ones. Pushes that are already under way again, or were redriven
    and delivered, are left out.
    """
    body = read_fields(
        await read_object(request, optional=True),
        {"since": nullable(moment), "until": nullable(moment), "state": _states},
    )
    since, until = body.get("since"), body.get("until")
    if since is not None and until is not None and since >= until:
        raise invalid(mistake("until", Words("must be later than since", "必须晚于 since")))
    redriven = await web.store.redrive_account(
        account,
        since=since,
        until=until,
        states=body.get("state", frozenset({State.EXHAUSTED})),
        now=web.now(),
    )
    return _view(redriven)


def _view(redriven: Redriven) -> RedrivenView:
    return RedrivenView(pushes=redriven.pushes, reports=redriven.reports, ids=list(redriven.ids))
