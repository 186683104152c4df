"""The result of a send: what the transport returns, and the verdict on it."""

from enum import StrEnum
from typing import Final

import msgspec


class Cause(StrEnum):
    """Why a send got no answer that could be judged."""

    INVALID_URL = "invalid_url"
    ADDRESS_REFUSED = "address_refused"
    DNS_FAILED = "dns_failed"
    CONNECTION_REFUSED = "connection_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    PROXY_FAILED = "proxy_failed"
    TLS_FAILED = "tls_failed"
    CONNECTION_RESET = "connection_reset"
    TIMEOUT = "timeout"
    INVALID_RESPONSE = "invalid_response"
    INTERRUPTED = "interrupted"


class Answered(msgspec.Struct, frozen=True):
    """The endpoint sent a response head, and a body, as far as it was read."""

    status: int
    """HTTP status code."""
    body: bytes
    """The first bytes of the body as they came over the wire, never inflated."""
    complete: bool = True
    """False when the body went on beyond what was read."""
    content_encoding: str = ""
    """Value of Content-Encoding when it is not ``identity``."""


class Unanswered(msgspec.Struct, frozen=True):
    """No complete response head came, or the connection failed inside the answer."""

    cause: Cause
    detail: str = ""
    """The message of the operating system or library, for the person who debugs."""


SendResult = Answered | Unanswered


class Outcome(StrEnum):
    """The judged outcome of an attempt, as stored and shown."""

    ACKNOWLEDGED = "acknowledged"
    WRONG_ANSWER = "wrong_answer"
    HTTP_ERROR = "http_error"
    REDIRECT = "redirect"
    TOO_LARGE = "too_large"
    INVALID_URL = "invalid_url"
    ADDRESS_REFUSED = "address_refused"
    DNS_FAILED = "dns_failed"
    CONNECTION_REFUSED = "connection_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    PROXY_FAILED = "proxy_failed"
    TLS_FAILED = "tls_failed"
    CONNECTION_RESET = "connection_reset"
    TIMEOUT = "timeout"
    INVALID_RESPONSE = "invalid_response"
    INTERRUPTED = "interrupted"


class Verdict(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The judgement of a send, and what is kept of the answer; stored and shown as it is."""

    outcome: Outcome
    """The judgement."""
    http_status: int | None = None
    """HTTP status code; ``None`` when no answer came."""
    answer: bytes = b""
    """The first 256 bytes of the answer's body as they came over the wire."""
    detail: str = ""
    """What neither status nor answer shows: ``content-encoding: <value>`` for an encoded body,
    ``incomplete`` for one that went on beyond what was read, and the message of the operating
    system or library when no answer came."""

    @property
    def acknowledged(self) -> bool:
        """Has the customer acknowledged the push?"""
        return self.outcome is Outcome.ACKNOWLEDGED


INTERRUPTED: Final = Verdict(Outcome.INTERRUPTED)
"""The verdict on a send that we broke off ourselves."""


class Tested(msgspec.Struct, frozen=True):
    """The result of a test push."""

    verdict: Verdict
    duration_ms: int
    reports: int
    body_bytes: int
    """Size of the body that was sent."""
