"""The shapes of answers in JSON, as the OpenAPI document has them.

:mod:`statuspush.web.present` makes them from the store's values.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, RootModel, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from statuspush.core.kinds import KINDS, Kind
from statuspush.core.lifecycle import State
from statuspush.core.outcome import Outcome
from statuspush.core.push_settings import PUSH_SETTINGS

Time = Annotated[
    str,
    Field(
        description="UTC with milliseconds.",
        json_schema_extra={"format": "date-time", "example": "2026-01-02T03:04:05.678Z"},
    ),
]


class View(BaseModel):
    """Base of all answers; attributes' docstrings are the descriptions in the document."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)


_SETTINGS: Any = {
    setting.name: (setting.form.shown_as, Field(description=setting.description.en))
    for setting in PUSH_SETTINGS
}
_TableOfSettings: Any = create_model("_TableOfSettings", __base__=View, **_SETTINGS)


class PushSettingsView(_TableOfSettings):  # type: ignore[misc] # a model made at run time
    """Settings of an account's push interface."""

    learned_max_bytes: int | None
    """Limit learned from a 413 answer; forgotten when url, max_reports or max_bytes changes."""
    effective_max_bytes: int | None
    """The smaller of max_bytes and learned_max_bytes."""


class PushCounts(View):
    """Pushes by state."""

    waiting: int
    sending: int
    delivered: int
    exhausted: int
    cancelled: int


class ReportCounts(PushCounts):
    """Reports by state of their push."""

    expired: int
    """Removed by retention before they were pushed."""


class Counts(View):
    """What the store holds for an account, by state."""

    pushes: PushCounts
    reports: ReportCounts


class HealthView(View):
    """What the last attempts say about the endpoint."""

    state: Annotated[str, Field(json_schema_extra={"enum": ["ok", "failing", "unknown"]})]
    """`unknown` before the first attempt."""
    consecutive_failures: int
    last_outcome: Outcome | None
    hint: str | None
    """The last outcome in plain words, if it was a failure."""
    last_attempt_at: Time | None
    last_delivered_at: Time | None
    retry_due_at: Time | None
    """When the waiting retry is sent; new reports wait behind it."""


class AccountView(View):
    """An account, its settings, and where its reports stand."""

    account: str
    name: str
    created_at: Time
    push: PushSettingsView
    counts: Counts
    accepted_reports: int
    """All reports ever accepted."""
    waiting_reports: int
    oldest_waiting_age_seconds: float | None
    """Age of the oldest report that waits; null if none does."""
    health: HealthView


class CreatedAccountView(AccountView):
    """A new account."""

    apikey: str
    """Key of the customer; shown here and never again."""


class AccountsView(View):
    """A page of accounts, by name."""

    items: list[AccountView]
    next: str | None
    """`cursor` of the next page; null at the end."""


class VerdictView(View):
    """The result of a test push."""

    acknowledged: bool
    outcome: Outcome
    http_status: int | None
    answer: str
    """First bytes of the answer, as text."""
    hint: str
    """The verdict in plain words."""
    detail: str
    """Message of the operating system or TLS library, if the connection failed."""
    duration_ms: int
    reports: int
    body_bytes: int
    """Size of the body sent."""


class SummaryView(View):
    """A push."""

    id: str
    account: str
    state: State
    reports: int
    """How many reports it holds."""
    attempts: int
    """How often it was sent."""
    created_at: Time
    due_at: Time | None
    """When it is sent next; null if it isn't."""
    delivered_at: Time | None
    redrive_of: str | None
    """The push whose reports it sends again."""


class PushesView(View):
    """A page of pushes, newest first."""

    items: list[SummaryView]
    next: str | None
    """`cursor` of the next page; null at the end."""


class AttemptView(View):
    """One send."""

    number: int
    started_at: Time
    duration_ms: int
    outcome: Outcome
    http_status: int | None
    answer: str
    """First bytes of the answer, as text."""
    hint: str
    """The verdict in plain words."""
    detail: str
    reports: int
    """How many reports were sent."""


class ReportView(RootModel[dict[str, Any]]):
    """The keys of a report, as pushed."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Name the keys of each kind; what is only read needs no bounds."""
        del schema, handler
        shapes = [_pushed(kind) for kind in KINDS.values()]
        return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


class PushView(View):
    """A push with its reports and attempts."""

    id: str
    account: str
    state: State
    created_at: Time
    due_at: Time | None
    delivered_at: Time | None
    redrive_of: str | None
    reports: list[ReportView]
    attempts: list[AttemptView]


class HistoryPushView(View):
    """A push that a report was part of."""

    id: str
    state: State
    created_at: Time
    due_at: Time | None
    delivered_at: Time | None
    redrive_of: str | None
    attempts: list[AttemptView]


class HistoryView(View):
    """A report and what became of it."""

    account: str
    report: ReportView
    accepted_at: Time
    state: State | None
    """State of its newest push; `waiting` before the first, null if push was off."""
    pushes: list[HistoryPushView]


class HistoriesView(View):
    """Reports found, newest first."""

    items: list[HistoryView]


class RedrivenView(View):
    """The result of a redrive."""

    pushes: int
    """New pushes."""
    reports: int
    """Reports in them."""
    ids: list[str]
    """Ids of the new pushes, the first 100."""


def _pushed(kind: Kind[Any]) -> dict[str, Any]:
    """A pushed report of a kind as a JSON schema."""
    return {
        "title": kind.name,
        "type": "object",
        "description": f"A report of kind {kind.name}, as pushed.",
        "additionalProperties": True,
        "required": list(kind.keys),
        "properties": {
            field.key: {"type": field.json_type, **({"nullable": True} if field.nullable else {})}
            for field in kind.fields
        },
    }
