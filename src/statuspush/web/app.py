"""The HTTP application: the hot route in front, FastAPI for the rest, errors handled one way."""

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from statuspush.core.errors import StatuspushError
from statuspush.web import accounts_api, docs_page, operations_api, pushes_api, reports_api
from statuspush.web.dependencies import Web, WebDependencies
from statuspush.web.language import preferred
from statuspush.web.openapi import allowed_methods, document
from statuspush.web.problems import Problem
from statuspush.web.requests import check_token, header
from statuspush.web.responses import NO_STORE, SECURITY_HEADERS, handle, send_problem
from statuspush.web.submit import SubmissionRules, SubmitRoute

__all__ = ["Application", "WebDependencies", "create_app"]

_HANDLED: Final = (
    Problem,
    StatuspushError,
    HTTPException,
    RequestValidationError,
    ClientDisconnect,
    Exception,
)
_SECURITY: Final = [
    (name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()
]
_NO_STORE: Final = [(name.lower().encode(), value.encode()) for name, value in NO_STORE.items()]


def create_app(deps: WebDependencies) -> "Application":
    """The application. It starts nothing, and owns nothing that it is given.

    ``app.state`` of the FastAPI application behind it holds what handlers share.
    """
    app = _routes()
    for error in _HANDLED:
        app.add_exception_handler(error, handle)
    app.state.web = Web(deps)
    app.state.openapi, app.state.allow = _described(deps.timezone)
    return Application(deps, app)


def _routes() -> FastAPI:
    app = FastAPI(
        title="statuspush",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Names of operations in generated clients: put_account, not put_account_v1_accounts_…
        generate_unique_id_function=lambda route: route.name,
    )
    for room in (reports_api, accounts_api, pushes_api, operations_api, docs_page):
        app.include_router(room.router)
    return app


@lru_cache(maxsize=4)
def _described(timezone: ZoneInfo) -> tuple[bytes, Callable[[str], str]]:
    """The document as bytes, and the methods that a path takes.

    Both take 50 ms to make and depend on nothing else, so tests needn't make them every time.
    """
    described = document(_routes(), timezone)
    return msgspec.json.encode(described), allowed_methods(described["paths"])


class Application:
    """ASGI application; does what every request needs: token, security headers, HEAD, OPTIONS."""

    def __init__(self, deps: WebDependencies, app: FastAPI) -> None:
        self._deps = deps
        self._app = app
        self.submissions = SubmissionRules(deps, reports_api.KIND)
        """The rules of the hot route, for :class:`statuspush.web.front.Front`."""
        self._submit = SubmitRoute(self.submissions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        if path == "/v1/reports" and method == "POST":
            await self._submit(scope, receive, send)
            return
        private = path == "/v1" or path.startswith("/v1/")
        try:
            if private:
                authorization = [v for name, v in scope["headers"] if name == b"authorization"]
                check_token(authorization, self._deps.operator_token_hash())
        except Problem as problem:
            language = preferred(header(scope["headers"], b"accept-language"))
            await send_problem(send, problem, language)
            return
        send = _with_headers(send, [*_SECURITY, *(_NO_STORE if private else ())])
        allow = self._app.state.allow(path) if method == "OPTIONS" else ""
        if allow:
            headers = [(b"allow", allow.encode())]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        # The whole path decided whether a token is needed, so it must also decide the route.
        scope = {**scope, "root_path": ""}
        if method == "HEAD":
            scope["method"] = "GET"
            send = _without_body(send)
        # An unexpected error was logged and answered in statuspush.web.responses; the framework
        # raises it again for a server that would print it.
        with suppress(Exception):
            await self._app(scope, receive, send)


def _with_headers(send: Send, more: list[tuple[bytes, bytes]]) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            names = {name.lower() for name, _ in given}
            added = [(name, value) for name, value in more if name not in names]
            message = {**message, "headers": given + added}
        await send(message)

    return wrapped


def _without_body(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return wrapped
