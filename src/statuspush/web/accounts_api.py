"""Accounts and their push settings: ``/v1/accounts``."""

import hashlib
import secrets
from contextlib import suppress
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from statuspush.core.push_settings import SCHEMA, InvalidSettings, PushSettings, read_changes
from statuspush.core.words import Words
from statuspush.store.base import AccountFilter, Conflict
from statuspush.web import problems
from statuspush.web.body_fields import (
    MAX_NAME,
    label,
    read_fields,
)
from statuspush.web.dependencies import InWeb, Web
from statuspush.web.document import ETAG, IF_MATCH, WITH_BODY, answers, json_body
from statuspush.web.present import account_view, settings_view, verdict_view
from statuspush.web.problems import Problem
from statuspush.web.query import Query, account_name, flag, text, whole_number
from statuspush.web.requests import (
    AccountInPath,
    InLanguage,
    etag,
    read_object,
    revisions,
)
from statuspush.web.views import (
    AccountsView,
    AccountView,
    CreatedAccountView,
    PushSettingsView,
    VerdictView,
)

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])

APIKEY_BYTES: Final = 32
MAX_PAGE: Final = 1000
DEFAULT_PAGE: Final = 100
MAX_PREFIX: Final = 64
_CHANGED: Final = Words(
    "the settings were changed since you read them: read them again and repeat your change",
    "设置在您读取之后已被修改：请重新读取，再提交您的修改",
)

_NAME_BODY: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_NAME,
            "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$",
            "description": "Name for people; no control characters.",
        }
    },
    "example": {"name": "ACME Ltd."},
}

_LISTED: Final = Query(
    text("prefix", "Only accounts whose name begins like this.", 0, MAX_PREFIX),
    flag("failing", "Only accounts whose last attempt failed (or did not)."),
    flag("waiting", "Only accounts with reports that wait, or without."),
    account_name("cursor", "`next` of the page before."),
    whole_number("limit", "Most accounts on the page.", 1, MAX_PAGE, default=DEFAULT_PAGE),
)
_DELETED: Final = Query(
    flag("force", "Delete it even though reports wait; they are never pushed.", default=False)
)


@router.put(
    "/{account}",
    summary="Create an account, or rename it",
    response_description="Renamed.",
    responses={
        201: {
            "model": CreatedAccountView,
            "description": "Created; `apikey` is shown here and never again.",
            "headers": {
                "Location": {"description": "Path of the account.", "schema": {"type": "string"}}
            },
        },
        **answers(*WITH_BODY, problems.NOT_FOUND),
    },
    openapi_extra={"requestBody": json_body(_NAME_BODY)},
)
async def put_account(
    account: AccountInPath, request: Request, web: InWeb, language: InLanguage
) -> AccountView:
    """A repeat is harmless. A new account has its push interface off."""
    body = read_fields(await read_object(request), {"name": label}, required=("name",))
    now = web.now()
    apikey = secrets.token_urlsafe(APIKEY_BYTES)
    # The key has 256 random bits, so a plain hash can't be reversed by searching.
    digest = hashlib.sha256(apikey.encode()).digest()
    created = await web.store.put_account(account, body["name"], digest, now)
    view = account_view(await web.store.get_account(account), now, language)
    if not created:
        return view
    shown = CreatedAccountView(**dict(view), apikey=apikey)
    return JSONResponse(  # type: ignore[return-value] # FastAPI passes responses through
        shown.model_dump(mode="json"), 201, {"Location": request.url.path}
    )


@router.get(
    "",
    summary="Accounts",
    responses=answers(problems.VALIDATION),
    openapi_extra={"parameters": _LISTED.document},
)
async def list_accounts(request: Request, web: InWeb, language: InLanguage) -> AccountsView:
    """By name, with settings, counts by state, the backlog and its age, and the endpoint's health.

    With a filter a page may hold fewer than `limit`, even none, and still have a `next`.
    """
    given = _LISTED.read(request)
    page = await web.store.list_accounts(
        after=given["cursor"],
        limit=given["limit"],
        only=AccountFilter(given["prefix"] or "", given["failing"], given["waiting"]),
    )
    now = web.now()
    return AccountsView(
        items=[account_view(account, now, language) for account in page.items], next=page.next
    )


@router.get(
    "/{account}",
    summary="One account",
    responses={200: {"headers": ETAG}, **answers(problems.NOT_FOUND, problems.VALIDATION)},
)
async def get_account(
    account: AccountInPath, response: Response, web: InWeb, language: InLanguage
) -> AccountView:
    """With settings, counts by state, the backlog and its age, and the endpoint's health."""
    found = await web.store.get_account(account)
    response.headers["ETag"] = etag(found.revision)
    return account_view(found, web.now(), language)


@router.delete(
    "/{account}",
    summary="Delete an account",
    status_code=204,
    response_description="Deleted; its reports and pushes are removed in the background.",
    responses=answers(problems.NOT_FOUND, problems.CONFLICT, problems.VALIDATION),
    openapi_extra={"parameters": _DELETED.document},
)
async def delete_account(account: AccountInPath, request: Request, web: InWeb) -> Response:
    """Refused while reports wait or are being sent, unless forced."""
    force = _DELETED.read(request)["force"]
    await web.store.delete_account(account, force=force, now=web.now())
    return Response(status_code=204)


@router.patch(
    "/{account}/push",
    summary="Change push settings",
    response_description="All settings after the change.",
    responses={
        200: {"headers": ETAG},
        **answers(*WITH_BODY, problems.NOT_FOUND, problems.PRECONDITION_FAILED),
    },
    openapi_extra={"requestBody": json_body(SCHEMA), "parameters": [IF_MATCH]},
)
async def patch_push(
    account: AccountInPath, request: Request, response: Response, web: InWeb
) -> PushSettingsView:
    """A change applies to every later send, also of pushes that already wait.

    Only the reports of a push are fixed at its first send. Settings that others change at the
    same moment keep their changes.
    """
    patch = await read_object(request)
    try:
        changes = read_changes(patch)
    except InvalidSettings as error:
        raise error.together_with((await web.store.get_account(account)).push) from None
    settings, revision = await _change(account, changes, request, web)
    response.headers["ETag"] = etag(revision)
    return settings_view(settings, (await web.store.get_account(account)).learned_max_bytes)


async def _change(
    account: str, changes: dict[str, object], request: Request, web: Web
) -> tuple[PushSettings, int]:
    """Make the change if the client names no revision, or if the present one is among them."""
    named = revisions(request.headers.get("if-match"))
    if named is None:
        return await web.store.change_push(account, changes, web.now())
    for revision in named:
        with suppress(Conflict):  # at most one of them is the present one
            return await web.store.change_push(account, changes, web.now(), revision=revision)
    raise Problem(problems.PRECONDITION_FAILED, _CHANGED)


@router.post(
    "/{account}/push/test",
    summary="Send a test push",
    response_description="The verdict; a failure of the endpoint is an answer, not an error.",
    responses=answers(
        problems.NOT_FOUND, problems.CONFLICT, problems.VALIDATION, problems.UNAVAILABLE
    ),
)
async def test_push(account: AccountInPath, web: InWeb, language: InLanguage) -> VerdictView:
    """The contract's two sample reports go to the URL now, outside the queue, in any mode."""
    if web.deps.draining():
        raise problems.unavailable(problems.SHUTTING_DOWN)
    tested = await web.store.get_account(account)
    if tested.push.url is None:
        raise Problem(problems.CONFLICT, Words("the account has no URL yet", "该账户尚未设置 URL"))
    if account in web.tested:
        raise Problem(
            problems.CONFLICT,
            Words("a test push of this account is under way", "该账户的测试推送正在进行"),
        )
    web.tested.add(account)
    try:
        verdict = await web.deps.test_push(tested)
    finally:
        web.tested.discard(account)
    return verdict_view(verdict, tested.kind, language)
