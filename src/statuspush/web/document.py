"""Pieces of the OpenAPI document that routes declare next to their handlers."""

from typing import Any, Final

from statuspush.web import problems
from statuspush.web.problems import ProblemType

Responses = dict[int | str, dict[str, Any]]

PROBLEM_REF: Final = {"$ref": "#/components/schemas/Problem"}
_RETRY_AFTER: Final = {
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "required": True,
        "schema": {"type": "integer"},
    }
}


def answers(*kinds: ProblemType) -> Responses:
    """The problems that a route answers with, besides those of every route."""
    return {kind.status.value: problem_response(kind) for kind in kinds}


def problem_response(kind: ProblemType) -> dict[str, Any]:
    """One problem as a response object."""
    response: dict[str, Any] = {
        "description": f"{kind.title.en}. {kind.meaning.en}",
        "content": {problems.MEDIA_TYPE: {"schema": PROBLEM_REF}},
    }
    if kind in (problems.OVERLOADED, problems.UNAVAILABLE):
        response["headers"] = _RETRY_AFTER
    return response


WITH_BODY: Final = (
    problems.MALFORMED,
    problems.TIMEOUT,
    problems.TOO_LARGE,
    problems.UNSUPPORTED,
    problems.VALIDATION,
)
"""Problems of every route that takes a body."""


def json_body(schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """A request body of JSON."""
    return {"required": required, "content": {"application/json": {"schema": schema}}}


ETAG: Final = {
    "ETag": {
        "description": "Revision of the settings, for `If-Match`.",
        "required": True,
        "schema": {"type": "string", "example": '"7"'},
    }
}
"""The header of answers that show settings."""

IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of an earlier answer: refuse the change if somebody has changed "
    "settings since then.",
    "schema": {"type": "string", "example": '"7"'},
}
"""The parameter of routes that change settings."""
