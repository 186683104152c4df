"""Reports, submitted and looked up: ``/v1/reports``."""

import re
from collections.abc import Sequence
from typing import Any, Final, NoReturn
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request

from statuspush.core.rules import (
    ACCOUNT_PATTERN,
    DATE_PATTERN,
    MAX_DURATION,
    MAX_ERROR_MSG,
    MAX_SID,
    MAX_UID,
    MOBILE_PATTERN,
    TIME_PATTERN,
)
from statuspush.core.values import Mistake, Rule, mistake, wrong_value
from statuspush.core.words import Words
from statuspush.web import problems
from statuspush.web.dependencies import InWeb
from statuspush.web.document import WITH_BODY, answers, query
from statuspush.web.fields import (
    length,
    name_of_account,
    whole_number,
)
from statuspush.web.present import history_view
from statuspush.web.problems import invalid
from statuspush.web.requests import InLanguage, read_query
from statuspush.web.views import HistoriesView, View

router = APIRouter(prefix="/v1/reports", tags=["reports"])

MAX_FOUND: Final = 100
DEFAULT_FOUND: Final = 20

_MOBILE: Final = re.compile(MOBILE_PATTERN)
_KEYS: Final = ("sid", "mobile", "uid")

_EXAMPLE: Final = {
    "account": "acme",
    "sid": "b3f2a9c1d4e84f60a7c5e2d190b8f7a6",
    "uid": "order-1001",
    "user_receive_time": "2024-05-17 10:22:33",
    "duration": 15,
    "error_msg": None,
    "mobile": "15205201314",
    "report_status": "SUCCESS",
}
_FAILED_EXAMPLE: Final = {
    "account": "acme",
    "sid": "0c7d5e8f1a2b4c3d9e6f708192a3b4c5",
    "user_receive_time": "2024-05-17T02:23:05Z",
    "duration": 0,
    "error_msg": "用户信号不佳、关机等",
    "mobile": "+37258483726",
    "report_status": "FAIL",
}


def submission_schemas(timezone: ZoneInfo) -> dict[str, Any]:
    """Schemas of what is submitted; ``timezone`` is that of times without an offset."""
    return {
        "Submission": {
            "type": "object",
            "description": "A report, and the account that it is for.",
            "additionalProperties": False,
            "required": [
                "account",
                "sid",
                "user_receive_time",
                "duration",
                "mobile",
                "report_status",
            ],
            "properties": {
                "account": {
                    "type": "string",
                    "pattern": f"^{ACCOUNT_PATTERN}$",
                    "description": "Name of an existing account.",
                },
                "sid": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": MAX_SID,
                    "description": "Id of the voice record; a repeat within the account is "
                    "counted as a duplicate and left out.",
                },
                "uid": {
                    "type": "string",
                    "nullable": True,
                    "maxLength": MAX_UID,
                    "description": "The customer's own id; left out means null.",
                },
                "user_receive_time": {
                    "type": "string",
                    "pattern": f"^{DATE_PATTERN}[T ]{TIME_PATTERN}"
                    r"([.,][0-9]{1,9})?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?$",
                    "description": f"`YYYY-MM-DD HH:MM:SS` in {timezone.key}, or ISO 8601 with "
                    "offset, which is converted to it. A real date.",
                },
                "duration": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": MAX_DURATION,
                    "description": "Seconds of the call, 0 when it failed.",
                },
                "error_msg": {
                    "type": "string",
                    "nullable": True,
                    "maxLength": MAX_ERROR_MSG,
                    "description": "Why the call failed; left out means null.",
                },
                "mobile": {
                    "type": "string",
                    "pattern": f"^{MOBILE_PATTERN}$",
                    "description": "The number called.",
                },
                "report_status": {"type": "string", "enum": ["SUCCESS", "FAIL"]},
            },
            "example": _EXAMPLE,
        },
        "SubmissionLines": {
            "type": "string",
            "description": "NDJSON: one `Submission` a line; blank lines are passed over.",
            "example": "<one Submission as JSON>\n<another one>\n",
        },
    }


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
                "one": {"summary": "One report", "value": _EXAMPLE},
                "array": {"summary": "An array", "value": [_EXAMPLE, _FAILED_EXAMPLE]},
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
    """One report, an array, or NDJSON: all are stored, or, if one is invalid, none.

    Repeating a submission is harmless. `errors` of a refusal has the first 100 mistakes.
    """
    # Only for the document: the application puts statuspush.web.submit in front of this path.
    raise NotImplementedError


_DIGITS: Final = Words(
    "3 to 20 digits, with or without a leading +", "3 到 20 位数字，前面可以有 +"
)


def _mobile(value: object) -> str:
    text = str(value)
    # An unescaped plus is a space by the rules of queries; no number begins with a space.
    if text.startswith(" "):
        text = "+" + text[1:]
    if not _MOBILE.fullmatch(text):
        raise wrong_value(text, _DIGITS)
    return text


_RULES: Final[dict[str, Rule]] = {
    "sid": length(1, MAX_SID),
    "mobile": _mobile,
    "uid": length(0, MAX_UID),
    "account": name_of_account,
    "limit": whole_number(1, MAX_FOUND),
}


@router.get(
    "",
    summary="Find reports",
    responses=answers(problems.NOT_FOUND, problems.VALIDATION),
    openapi_extra={
        "parameters": [
            query(
                "sid",
                {"type": "string", "minLength": 1, "maxLength": MAX_SID},
                "Id of the voice record.",
            ),
            query(
                "mobile",
                {"type": "string", "pattern": f"^{MOBILE_PATTERN}$"},
                "Number called; a leading `+` is written `%2B`.",
            ),
            query("uid", {"type": "string", "maxLength": MAX_UID}, "The customer's own id."),
            query(
                "account",
                {"type": "string", "pattern": f"^{ACCOUNT_PATTERN}$"},
                "Only reports of this account.",
            ),
            query(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": MAX_FOUND, "default": DEFAULT_FOUND},
                "Most reports found.",
            ),
        ]
    },
)
async def find_reports(request: Request, web: InWeb, language: InLanguage) -> HistoriesView:
    """By exactly one of `sid`, `mobile`, `uid`: each report, its pushes, and their attempts."""
    parameters = read_query(request, _RULES)
    keys = [key for key in _KEYS if key in parameters]
    if len(keys) != 1:
        _refuse_keys(keys)
    found = await web.store.find_reports(
        account=parameters.get("account"),
        sid=parameters.get("sid"),
        mobile=parameters.get("mobile"),
        uid=parameters.get("uid"),
        limit=parameters.get("limit", DEFAULT_FOUND),
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
    text = Words("give exactly one of sid, mobile, uid", "sid、mobile、uid 须且只能给出一个")
    raise invalid(*(Mistake(key, text) for key in _KEYS))
