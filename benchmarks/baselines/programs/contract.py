"""The contract with customers, as a task sees it: what to send and which answer is good."""

import json
from typing import Any

TIMEOUT_SECONDS = 15
CONNECT_SECONDS = 5
RETRY_SECONDS = 300
RETRIES = 3


class NotAcknowledged(Exception):
    """The customer has answered, but not with SUCCESS or 0."""


def form(report: dict[str, Any]) -> dict[str, str]:
    """The form that carries one report."""
    return {"voice_status": json.dumps([report])}


def judge(status: int, body: bytes) -> None:
    """Raise unless the answer acknowledges the report."""
    if not (200 <= status < 300 and body.strip() in (b"SUCCESS", b"0")):
        raise NotAcknowledged(f"{status} {body[:64]!r}")
