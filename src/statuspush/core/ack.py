"""The acknowledgement: the verdict on an endpoint's answer (contract section 3)."""

from typing import Any, Final

from statuspush.core.kinds.kind import Kind
from statuspush.core.outcome import Answered, Outcome, SendResult, Unanswered, Verdict

KEPT_ANSWER_BYTES: Final = 256
"""How much of an answer a verdict keeps, to be shown to people."""

_BOM: Final = b"\xef\xbb\xbf"


def judge(result: SendResult, kind: Kind[Any]) -> Verdict:
    """Judge what came back from an endpoint (contract section 3).

    A push is acknowledged by a status of 2xx and a body of at most ``kind.max_answer_bytes``
    which, with a leading UTF-8 BOM and surrounding ASCII white space removed, is one of the kind's
    answers, letter for letter. Bodies are never inflated, so a compressed one acknowledges nothing.
    """
    if isinstance(result, Unanswered):
        return Verdict(Outcome(result.cause.value), None, b"", result.detail)
    return Verdict(
        _outcome(result, kind), result.status, result.body[:KEPT_ANSWER_BYTES], _detail(result)
    )


def _outcome(answered: Answered, kind: Kind[Any]) -> Outcome:
    if answered.status == 413:
        return Outcome.TOO_LARGE
    if 300 <= answered.status <= 399:
        return Outcome.REDIRECT
    if not 200 <= answered.status <= 299:
        return Outcome.HTTP_ERROR
    if (
        answered.complete
        and not _encoded(answered)
        and len(answered.body) <= kind.max_answer_bytes
        and answered.body.removeprefix(_BOM).strip() in kind.answers
    ):
        return Outcome.ACKNOWLEDGED
    return Outcome.WRONG_ANSWER


def _encoded(answered: Answered) -> bool:
    return answered.content_encoding.strip().lower() not in ("", "identity")


def _detail(answered: Answered) -> str:
    if _encoded(answered):
        return f"content-encoding: {answered.content_encoding.strip()}"
    return "" if answered.complete else "incomplete"
