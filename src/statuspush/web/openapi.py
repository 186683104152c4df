"""The OpenAPI document: what FastAPI gathers from the routes, completed.

It is written as OpenAPI 3.0, because the Swagger UI that can be installed without internet reads
no later version; :func:`_to_3_0` converts the parts that FastAPI writes in 3.1.
"""

import re
from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from statuspush import __version__
from statuspush.web import problems
from statuspush.web.document import problem_response
from statuspush.web.reports_api import submission_schemas

VERSION: Final = "3.0.3"

_DESCRIPTION: Final = """\
Reports in, pushes out: submitted reports are on disk before the answer, and are pushed to each
account's URL until acknowledged.

Everything below `/v1` requires `Authorization: Bearer <operator token>`. Errors are problem
documents (RFC 9457) in English, or in Chinese with `Accept-Language: zh`. A `HEAD` answers like a
`GET` without body. Unknown body members and query parameters are refused.
"""

_TAGS: Final = [
    {"name": "reports", "description": "Submit reports, and find what became of them."},
    {"name": "accounts", "description": "Customers and their push settings."},
    {"name": "pushes", "description": "What was sent, and sending it again."},
    {"name": "operations", "description": "For monitors; no token needed."},
]

_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "enum": [kind.uri for kind in problems.KINDS.values()],
            "description": "Type of the problem; its path explains it.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What is wrong with this request."},
        "errors": {
            "type": "array",
            "maxItems": problems.MAX_LISTED_ERRORS,
            "description": "For validation problems: the first 100 mistakes.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "index": {
                        "type": "integer",
                        "description": "For submissions: position of the report, from 0.",
                    },
                    "field": {
                        "type": "string",
                        "description": "The wrong field; empty when the whole report is wrong.",
                    },
                    "message": {"type": "string"},
                },
            },
        },
        "error_count": {"type": "integer", "description": "How many mistakes were found."},
        "incident": {
            "type": "string",
            "description": "For internal errors: what to look for in the log.",
        },
        "max_bytes": {
            "type": "integer",
            "description": "For requests that are too large: the limit.",
        },
    },
    "example": {
        "type": "/problems/validation",
        "title": "The request holds values that are not allowed",
        "status": 422,
        "detail": "1 mistakes in the reports, first: report 1: mobile is missing",
        "errors": [{"index": 1, "field": "mobile", "message": "mobile is missing"}],
        "error_count": 1,
    },
}

_UNAUTHORIZED: Final = {
    **problem_response(problems.UNAUTHORIZED),
    "headers": {
        "WWW-Authenticate": {
            "description": "The scheme, `Bearer`.",
            "required": True,
            "schema": {"type": "string"},
        }
    },
}


def document(app: FastAPI, timezone: ZoneInfo) -> dict[str, Any]:
    """The document of the application; ``timezone`` is that of times without an offset."""
    result = _to_3_0(
        get_openapi(
            title="statuspush",
            version=__version__,
            openapi_version=VERSION,
            description=_DESCRIPTION,
            routes=app.routes,
            tags=_TAGS,
        )
    )
    assert isinstance(result, dict)
    components = result.setdefault("components", {})
    components["securitySchemes"] = {
        "operator": {"type": "http", "scheme": "bearer", "description": "The operator token."}
    }
    components["schemas"] |= {"Problem": _PROBLEM, **submission_schemas(timezone)}
    for path, operations in result["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            responses["500"] = problem_response(problems.INTERNAL)
            if path.startswith("/v1/"):
                operation["security"] = [{"operator": []}]
                responses["401"] = _UNAUTHORIZED
                responses["503"] = problem_response(problems.UNAVAILABLE)
            operation["responses"] = dict(sorted(responses.items()))
    return result


def _to_3_0(node: Any) -> Any:
    """The same in OpenAPI 3.0, where null is not a type but a property of the others."""
    if isinstance(node, list):
        return [_to_3_0(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _to_3_0(value) for key, value in node.items()}
    options = node.get("anyOf", [])
    if {"type": "null"} in options:
        del node["anyOf"]
        others = [option for option in options if option != {"type": "null"}]
        if len(others) > 1:
            node["anyOf"] = others
        elif "$ref" in others[0]:
            node["allOf"] = others  # 3.0 ignores everything beside a $ref
        else:
            node = {**others[0], **node}
        node["nullable"] = True
    return node


def allowed_methods(paths: dict[str, Any]) -> Callable[[str], str]:
    """For the header ``Allow``: a function from a path to all methods that it takes.

    Empty for a path that is not in the document's ``paths``. The framework itself knows only the
    methods of the first route that matches.
    """
    table = [
        (
            re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))),
            {"OPTIONS", *(method.upper() for method in operations)},
        )
        for template, operations in paths.items()
    ]

    def allow(path: str) -> str:
        for pattern, methods in table:
            if pattern.fullmatch(path):
                return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
        return ""

    return allow
