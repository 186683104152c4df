"""Turns the store's values into the shapes of answers, in the client's language."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from statuspush.core.fragment import json_lines
from statuspush.core.hints import hint
from statuspush.core.kinds import KINDS, Kind
from statuspush.core.moment import Milliseconds
from statuspush.core.outcome import Tested, Verdict
from statuspush.core.push import Attempt
from statuspush.core.push_settings import PushSettings, body_limit, shown
from statuspush.core.words import Language
from statuspush.store.base import (
    Account,
    Health,
    PushDetail,
    PushSummary,
    ReportHistory,
    StateCounts,
)
from statuspush.web.body_fields import rfc3339
from statuspush.web.views import (
    AccountView,
    AttemptView,
    Counts,
    HealthView,
    HistoryPushView,
    HistoryView,
    PushCounts,
    PushSettingsView,
    PushView,
    ReportCounts,
    ReportView,
    SummaryView,
    VerdictView,
)

_read_lines: Final = msgspec.json.Decoder(dict[str, Any]).decode_lines


def settings_view(settings: PushSettings, learned_max_bytes: int | None) -> PushSettingsView:
    """Settings without what is secret in them, and the learned size."""
    return PushSettingsView(
        **shown(settings),
        learned_max_bytes=learned_max_bytes,
        effective_max_bytes=body_limit(settings, learned_max_bytes),
    )


def account_view(account: Account, now: Milliseconds, language: Language) -> AccountView:
    """An account as of ``now``."""
    oldest = account.oldest_waiting_at
    return AccountView(
        account=account.account,
        name=account.name,
        created_at=rfc3339(account.created_at),
        push=settings_view(account.push, account.learned_max_bytes),
        counts=Counts(
            pushes=PushCounts(**_push_counts(account.pushes)),
            reports=ReportCounts(**_push_counts(account.reports), expired=account.reports.expired),
        ),
        accepted_reports=account.accepted_reports,
        waiting_reports=account.waiting_reports,
        oldest_waiting_age_seconds=None if oldest is None else max(0, now - oldest) / 1000,
        health=_health_view(account.health, KINDS[account.kind], language),
    )


def _push_counts(counts: StateCounts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in PushCounts.model_fields}


def _health_view(health: Health, kind: Kind[Any], language: Language) -> HealthView:
    last = health.last_verdict
    state = "failing" if health.consecutive_failures else "unknown" if last is None else "ok"
    return HealthView(
        state=state,
        consecutive_failures=health.consecutive_failures,
        last_outcome=None if last is None else last.outcome,
        hint=None if last is None or last.acknowledged else hint(last, kind).to(language),
        last_attempt_at=_time(health.last_attempt_at),
        last_delivered_at=_time(health.last_delivered_at),
        retry_due_at=_time(health.retry_due_at),
    )


def summary_view(push: PushSummary) -> SummaryView:
    """A push as listed."""
    return SummaryView(
        **_push_members(push),
        account=push.account,
        reports=push.reports,
        attempts=push.attempts,
    )


def _push_members(push: PushSummary) -> dict[str, Any]:
    return {
        "id": push.id,
        "state": push.state,
        "created_at": rfc3339(push.created_at),
        "due_at": _time(push.due_at),
        "delivered_at": _time(push.delivered_at),
        "redrive_of": push.redrive_of,
    }


def push_view(detail: PushDetail, language: Language) -> PushView:
    """A push with everything known about it."""
    kind = KINDS[detail.push.kind]
    return PushView(
        **_push_members(detail.push),
        account=detail.push.account,
        reports=_reports_view(detail.fragments, kind),
        attempts=_attempts_view(detail.attempts, kind, language),
    )


def history_view(history: ReportHistory, language: Language) -> HistoryView:
    """A report with every push it was part of."""
    kind = KINDS[history.kind]
    (report,) = _reports_view(history.fragment, kind)
    return HistoryView(
        account=history.account,
        report=report,
        accepted_at=rfc3339(history.accepted_at),
        state=history.state,
        pushes=[
            HistoryPushView(
                **_push_members(detail.push),
                attempts=_attempts_view(detail.attempts, kind, language),
            )
            for detail in history.pushes
        ],
    )


def _reports_view(fragments: bytes, kind: Kind[Any]) -> list[ReportView]:
    """Stored reports, newline-joined, as objects."""
    return [ReportView(report) for report in _read_lines(json_lines(fragments, kind))]


def _attempts_view(
    attempts: Sequence[Attempt], kind: Kind[Any], language: Language
) -> list[AttemptView]:
    return [
        AttemptView(
            number=attempt.number,
            started_at=rfc3339(attempt.started_at),
            duration_ms=attempt.duration_ms,
            **_verdict_members(attempt.verdict, kind, language),
            reports=attempt.reports,
        )
        for attempt in attempts
    ]


def verdict_view(tested: Tested, kind: str, language: Language) -> VerdictView:
    """The result of a test push of the kind of that name."""
    return VerdictView(
        acknowledged=tested.verdict.acknowledged,
        **_verdict_members(tested.verdict, KINDS[kind], language),
        duration_ms=tested.duration_ms,
        reports=tested.reports,
        body_bytes=tested.body_bytes,
    )


def _verdict_members(verdict: Verdict, kind: Kind[Any], language: Language) -> dict[str, Any]:
    return {
        "outcome": verdict.outcome,
        "http_status": verdict.http_status,
        "answer": _answer_text(verdict.answer),
        "hint": hint(verdict, kind).to(language),
        "detail": verdict.detail,
    }


def _answer_text(answer: bytes) -> str:
    """What an endpoint answered, as text; bytes that are not UTF-8 become U+FFFD."""
    return answer.decode("utf-8", "replace")


def _time(time: Milliseconds | None) -> str | None:
    return None if time is None else rfc3339(time)
