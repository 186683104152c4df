"""Findings: the grade of a case, and what to change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from statuspush.check import advice
from statuspush.check.probe import Reaction
from statuspush.core.contract import Wire
from statuspush.core.hints import hint
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.outcome import Outcome
from statuspush.core.words import Words

Grade = Literal["ok", "warn", "fail"]

SLOW_SECONDS: Final = 1.0
TOO_SLOW_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Finding:
    """One line of the result."""

    name: str
    title: Words
    grade: Grade
    status: int | None = None
    seconds: float | None = None
    advice: Words | None = None

    @property
    def milliseconds(self) -> int | None:
        """How long the answer took; None where that says nothing."""
        return None if self.seconds is None else round(self.seconds * 1000)


def _finding(seen: Reaction, grade: Grade, words: Words | None = None) -> Finding:
    return Finding(
        seen.case.name, seen.case.title, grade, seen.verdict.http_status, seen.seconds, words
    )


def of_case(seen: Reaction) -> Finding:
    """Judge a case by its answer and its time."""
    if seen.case.expected != "acknowledged":
        return _of_no_push(seen)
    if not seen.verdict.acknowledged:
        return failed(seen, hint(seen.verdict, VOICE_STATUS))
    return _timed(seen)


def failed(seen: Reaction, words: Words) -> Finding:
    """A push that was not acknowledged, with what is known about why."""
    return _finding(seen, "fail", words)


def _timed(seen: Reaction) -> Finding:
    """A correct answer, if it came in time."""
    if seen.seconds <= SLOW_SECONDS:
        return _finding(seen, "ok")
    grade: Grade = "fail" if seen.seconds > TOO_SLOW_SECONDS else "warn"
    return _finding(seen, grade, advice.slow(seen.seconds))


def _of_no_push(seen: Reaction) -> Finding:
    """Judge a request that must not be acknowledged; any 4xx will do."""
    verdict, case = seen.verdict, seen.case
    if verdict.acknowledged and case.expected == "refused":
        other = case.method != "POST"
        words = advice.ACKNOWLEDGED_METHOD if other else advice.ACKNOWLEDGED_RUBBISH
        return _finding(seen, "fail", words)
    if verdict.outcome is Outcome.TIMEOUT:
        return _finding(seen, "fail", advice.SILENT_ON_RUBBISH)
    if verdict.http_status is None:
        return _finding(seen, "warn", advice.CLOSED_ON_RUBBISH)
    if verdict.http_status >= 500 and verdict.http_status not in (501, 505):
        return _finding(seen, "warn", advice.CRASHED_ON_RUBBISH)
    return _timed(seen)


def of_wire_form(seen: Reaction, *, others_pass: bool) -> Finding:
    """Judge a push in a wire form; ``others_pass``: the robust form is acknowledged."""
    if seen.verdict.acknowledged or not others_pass or seen.case.wire is not Wire.DOUBLE:
        return of_case(seen)
    return failed(seen, advice.encoded_twice(seen.verdict))


def of_values(seen: Reaction, alone: Sequence[Reaction]) -> Finding | None:
    """Judge a failed push of difficult values by pushes of each; None if they show nothing."""
    labels = [each.case.title for each in alone if not each.verdict.acknowledged]
    if not labels or len(labels) == len(alone):
        return None
    return failed(seen, advice.values(labels, seen.case.wire, seen.verdict))


def of_unsteady(first: Reaction) -> Finding:
    """A push that failed, and passed when it was sent again."""
    return failed(first, advice.unsteady(first.verdict))


def of_concurrent(sent: Sequence[Reaction]) -> Finding:
    """Judge concurrent pushes as one."""
    bad = [seen for seen in sent if not seen.verdict.acknowledged]
    slowest = max(sent, key=lambda seen: seen.seconds)
    if not bad:
        found = _timed(slowest)
    elif len(bad) == len(sent):
        found = of_case(bad[0])
    else:
        words = advice.concurrent(len(sent) - len(bad), len(sent), bad[0].verdict)
        found = failed(bad[0], words)
    return Finding("at-once", found.title, found.grade, found.status, found.seconds, found.advice)


def of_slow(seen: Reaction) -> Finding:
    """Judge a push whose body came slowly: a clean refusal is allowed."""
    status = seen.verdict.http_status
    if seen.verdict.acknowledged or status is None or not 400 <= status < 500:
        return of_case(seen)
    return _finding(seen, "warn", advice.CAUTIOUS)


def of_beside(seen: Reaction, *, waited: bool) -> Finding:
    """Judge the push that was sent meanwhile; ``waited``: its answer came after the slow one."""
    if seen.verdict.acknowledged and waited:
        return failed(seen, advice.HELD_UP)
    return of_case(seen)


def given_up() -> Finding:
    """The end of a check after too many requests without an answer."""
    return Finding("rest", Words("the rest", "其余"), "fail", advice=advice.GIVEN_UP)
