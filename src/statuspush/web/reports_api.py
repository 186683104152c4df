"""Submitting and finding reports: ``/v1/reports``, the route of ``voice_status``."""

from collections.abc import Sequence
from typing import Any, Final, NoReturn
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Request

from statuspush.core.kinds import VOICE_STATUS, Kind
from statuspush.core.kinds.fields import Field, PhoneNumber
from statuspush.core.rules import ACCOUNT_PATTERN
from statuspush.core.values import Mistake, Wrong, mistake
from statuspush.core.words import Words
from statuspush.web import problems
from statuspush.web.dependencies import InWeb
from statuspush.web.document import WITH_BODY, answers
from statuspush.web.present import history_view
from statuspush.web.problems import invalid
from statuspush.web.query import Parameter, Query, account_name, whole_number
from statuspush.web.requests import InLanguage
from statuspush.web.views import HistoriesView, View

router = APIRouter(prefix="/v1/reports", tags=["reports"])

KIND: Final = VOICE_STATUS
"""What is submitted and looked up here."""
MAX_FOUND: Final = 100
DEFAULT_FOUND: Final = 20

_UTC: Final = ZoneInfo("UTC")
"""Queries hold no times, which are all that a schema needs a zone for."""


def _examples(kind: Kind[Any]) -> list[dict[str, object]]:
    """Sample reports of a kind as they are submitted for an account, in the order of its keys."""
    samples = [msgspec.to_builtins(sample) for sample in kind.samples]
    return [{"account": "acme", **{key: s[key] for key in kind.keys}} for s in samples]


def submission_schemas(timezone: ZoneInfo) -> dict[str, Any]:
    """Schemas of what is submitted; ``timezone`` is that of times without an offset."""
    properties = {field.key: field.schema(timezone) for field in KIND.fields}
    properties[KIND.unique]["description"] = (
        f"{_field(KIND.unique).about}; a repeat within the account is counted as a duplicate and "
        "left out."
    )
    return {
        "Submission": {
            "type": "object",
            "description": "A report, and the account that it is for.",
            "additionalProperties": False,
            "required": ["account", *(field.key for field in KIND.fields if not field.nullable)],
            "properties": {
                "account": {
                    "type": "string",
                    "pattern": f"^{ACCOUNT_PATTERN}$",
                    "description": "Name of an existing account of this kind of report.",
                },
                **properties,
            },
            "example": _examples(KIND)[0],
        },
        "SubmissionLines": {
            "type": "string",
            "description": "NDJSON: one `Submission` per line; blank lines are ignored.",
            "example": "<one Submission as JSON>\n<another one>\n",
        },
    }


def _field(key: str) -> Field:
    return next(field for field in KIND.fields if field.key == key)


_SUBMISSION: Final = {"$ref": "#/components/schemas/Submission"}
_SUBMIT_BODY: Final[dict[str, Any]] = {
    "required": True,
    "description": "Up to 10,000 reports or 16 MiB.",
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    _SUBMISSION,
                    {"type": "array", "maxItems": 10_000, "items": _SUBMISSION},
                ]
            },
            "examples": {
                "one": {"summary": "One report", "value": _examples(KIND)[0]},
                "array": {"summary": "An array", "value": _examples(KIND)},
            },
        },
        "application/x-ndjson": {"schema": {"$ref": "#/components/schemas/SubmissionLines"}},
    },
}


class AcceptedView(View):
    """How many reports are on disk now."""

    accepted: int
    """New reports."""
    duplicates: int
    """Reports left out because the account had their sid already."""


@router.post(
    "",
    summary="Submit reports",
    status_code=202,
    response_description="All reports are on disk; the submitter may forget them.",
    responses=answers(*WITH_BODY, problems.OVERLOADED),
    openapi_extra={"requestBody": _SUBMIT_BODY},
)
async def submit_reports() -> AcceptedView:
    """One report, an array, or NDJSON: all are stored, or none if one is invalid.

    Repeating a submission is harmless. `errors` of a refusal has the first 100 mistakes.
    """
    # Only for the document: requests to this path go to statuspush.web.submit.
    raise NotImplementedError


def _search_key(field: Field) -> Parameter:
    """The parameter that finds reports by a key of their kind."""

    def read(value: object) -> str:
        text = str(value)
        # An unescaped plus is a space by the rules of queries; no number begins with a space.
        if isinstance(field, PhoneNumber) and text.startswith(" "):
            text = "+" + text[1:]
        if complaint := field.check(text, _UTC):
            raise Wrong(complaint)
        return text

    plus = "; a leading `+` is written `%2B`" if isinstance(field, PhoneNumber) else ""
    schema = {"type": field.json_type, **field.shape(_UTC)}
    return Parameter(field.key, f"{field.about}{plus}.", read, schema)


_FOUND: Final = Query(
    *(_search_key(_field(key)) for key in KIND.search),
    account_name("account", "Only reports of this account."),
    whole_number("limit", "Most reports found.", 1, MAX_FOUND, default=DEFAULT_FOUND),
)


@router.get(
    "",
    summary="Find reports",
    description=f"By exactly one of {', '.join(f'`{key}`' for key in KIND.search)}: each report, "
    "its pushes, and their attempts.",
    responses=answers(problems.NOT_FOUND, problems.VALIDATION),
    openapi_extra={"parameters": _FOUND.document},
)
async def find_reports(request: Request, web: InWeb, language: InLanguage) -> HistoriesView:
    """Answer with what is found."""
    given = _FOUND.read(request)
    keys = [key for key in KIND.search if given[key] is not None]
    if len(keys) != 1:
        _refuse_keys(keys)
    (key,) = keys
    found = await web.store.find_reports(
        account=given["account"], limit=given["limit"], **{key: given[key]}
    )
    return HistoriesView(items=[history_view(history, language) for history in found])


def _refuse_keys(given: Sequence[str]) -> NoReturn:
    if given:
        raise invalid(
            *(
                mistake(key, Words("can't be combined with the others", "不能与其他条件同时使用"))
                for key in given
            )
        )
    text = Words(
        f"give exactly one of {', '.join(KIND.search)}",
        f"{'、'.join(KIND.search)} 须且只能给出一个",
    )
    raise invalid(*(Mistake(key, text) for key in KIND.search))
