"""``/openapi.json``, and ``/docs``: Swagger UI from files of this installation, no CDN."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from swagger_ui_bundle import swagger_ui_path

from statuspush.core.words import Words
from statuspush.web import problems
from statuspush.web.problems import Problem

router = APIRouter(include_in_schema=False)

# Relative addresses, so that the page also works behind a proxy that adds a prefix.
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>statuspush API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript; the document itself is at
<a href="openapi.json">openapi.json</a>.</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

# validatorUrl: without it, Swagger UI would show a badge from a server on the internet.
_START: Final = """\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null,
});
"""

# Swagger UI sets styles on elements and draws its icons from data: addresses.
_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_FILES: Final = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
_CACHED: Final = {"Cache-Control": "public, max-age=3600"}


@router.get("/openapi.json")
async def openapi_json(request: Request) -> Response:
    """The document, made once at the start."""
    return Response(request.app.state.openapi, media_type="application/json")


@router.get("/docs")
async def docs() -> HTMLResponse:
    """The page."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _CSP})


@router.get("/docs/start.js")
async def start() -> Response:
    """The page's script, in a separate file because the page's policy forbids inline ones."""
    return Response(_START, media_type="text/javascript", headers=_CACHED)


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    """One of the files that the page needs; no others are served."""
    media_type = _FILES.get(name)
    if media_type is None:
        raise Problem(problems.NOT_FOUND, Words("there is no such file", "没有这个文件"))
    return FileResponse(swagger_ui_path / name, headers={"Content-Type": media_type, **_CACHED})
