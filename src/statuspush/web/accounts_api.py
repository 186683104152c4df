"""Accounts and their push settings: ``/v1/accounts``."""

import hashlib
import secrets
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from statuspush.core.words import Words
from statuspush.web import problems, push_settings
from statuspush.web.dependencies import InWeb
from statuspush.web.document import WITH_BODY, answers, json_body, query
from statuspush.web.fields import MAX_NAME, flag, label, read_fields
from statuspush.web.present import account_view, settings_view, verdict_view
from statuspush.web.problems import Problem
from statuspush.web.requests import AccountInPath, InLanguage, read_object, read_query
from statuspush.web.views import (
    AccountsView,
    AccountView,
    CreatedAccountView,
    PushSettingsView,
    VerdictView,
)

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])

APIKEY_BYTES: Final = 32

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
    # The key has 256 bits of chance in it, so a plain hash can't be searched for it.
    digest = hashlib.sha256(apikey.encode()).digest()
    created = await web.store.put_account(account, body["name"], digest, now)
    view = account_view(await web.store.get_account(account), now, language)
    if not created:
        return view
    shown = CreatedAccountView(**dict(view), apikey=apikey)
    return JSONResponse(  # type: ignore[return-value] # FastAPI passes responses through
        shown.model_dump(mode="json"), 201, {"Location": request.url.path}
    )


@router.get("", summary="All accounts")
async def list_accounts(web: InWeb, language: InLanguage) -> AccountsView:
    """With settings, counts by state, the backlog and its age, and the endpoint's health."""
    accounts = await web.store.list_accounts()
    now = web.now()
    return AccountsView(items=[account_view(account, now, language) for account in accounts])


@router.get(
    "/{account}",
    summary="One account",
    responses=answers(problems.NOT_FOUND, problems.VALIDATION),
)
async def get_account(account: AccountInPath, web: InWeb, language: InLanguage) -> AccountView:
    """With settings, counts by state, the backlog and its age, and the endpoint's health."""
    return account_view(await web.store.get_account(account), web.now(), language)


@router.delete(
    "/{account}",
    summary="Delete an account",
    status_code=204,
    response_description="Deleted; its reports and pushes are removed in the background.",
    responses=answers(problems.NOT_FOUND, problems.CONFLICT, problems.VALIDATION),
    openapi_extra={
        "parameters": [
            query(
                "force",
                {"type": "boolean", "default": False},
                "Delete it even though reports wait; they are never pushed.",
            )
        ]
    },
)
async def delete_account(account: AccountInPath, request: Request, web: InWeb) -> Response:
    """Refused while reports wait or are being sent, unless forced."""
    parameters = read_query(request, {"force": flag})
    async with web.alone(account):
        await web.store.delete_account(account, force=parameters.get("force", False), now=web.now())
    return Response(status_code=204)


@router.patch(
    "/{account}/push",
    summary="Change push settings",
    response_description="All settings after the change.",
    responses=answers(*WITH_BODY, problems.NOT_FOUND),
    openapi_extra={"requestBody": json_body(push_settings.SCHEMA)},
)
async def patch_push(account: AccountInPath, request: Request, web: InWeb) -> PushSettingsView:
    """A change holds for every send after it, also for pushes that wait already."""
    patch = await read_object(request)
    async with web.alone(account):
        current = (await web.store.get_account(account)).push
        settings = push_settings.changed(current, patch)
        if settings != current:
            await web.store.set_push(account, settings, web.now())
    return settings_view(settings)


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
