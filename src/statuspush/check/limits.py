"""The size from which an endpoint fails, and whose default that looks like."""

from collections.abc import Awaitable, Callable
from typing import Final

from statuspush.check import advice
from statuspush.check.cases import Case
from statuspush.check.findings import Finding
from statuspush.check.probe import Reaction
from statuspush.core.outcome import Outcome
from statuspush.core.words import Words

DEFAULTS: Final = (
    (16_384, "Actix, 16 kB", "web::FormConfig::default().limit(1 << 20)"),
    (32_768, "Rocket, 32 KiB", "limits = { form = '1 MiB' }"),
    (57_344, "koa-bodyparser, 56 kB", "formLimit: '1mb'"),
    (102_400, "Express, 100 kB", "express.urlencoded({ extended: false, limit: '1mb' })"),
    (102_400, "Play, 100 kB", "play.http.parser.maxMemoryBuffer = 1M"),
    (200_000, "Jetty, 200,000 bytes", "setMaxFormContentSize(1_000_000)"),
    (262_144, "Spring WebFlux, 256 KiB", "spring.codec.max-in-memory-size=1MB"),
)
"""Limits that receivers have by default below the size of a full push: bytes, whose, setting."""

_TOLERANCE: Final = 0.02
"""Some count the whole body and some the parameter alone."""
_NEAR_ENOUGH: Final = 2_000
_MOST_REQUESTS: Final = 9


async def find_limit(
    send: Callable[[Case], Awaitable[Reaction]],
    make: Callable[[int], Case],
    small: Reaction,
    full: Reaction,
) -> tuple[Reaction, Reaction]:
    """Bisect between a push that passes and one that fails; returns the closest two found.

    ``make`` makes a push of this many reports.
    """
    low, high = len(small.case.reports), len(full.case.reports)
    passes, fails = small, full
    for _ in range(_MOST_REQUESTS):
        span = len(fails.case.body) - len(passes.case.body)
        if high - low < 2 or span < _NEAR_ENOUGH:
            break
        middle = (low + high) // 2
        seen = await send(make(middle))
        if seen.verdict.acknowledged:
            low, passes = middle, seen
        else:
            high, fails = middle, seen
        if seen.verdict.outcome is Outcome.TIMEOUT:
            break  # each further one would take as long
    return passes, fails


def likely(taken: int, refused: int) -> list[tuple[str, str]]:
    """Whose default lies between the two sizes, and the setting that raises it."""
    return [
        (whose, setting)
        for size, whose, setting in DEFAULTS
        if taken <= size * (1 + _TOLERANCE) and refused >= size * (1 - _TOLERANCE)
    ]


def of_size(passes: Reaction, fails: Reaction) -> Finding:
    """The limit as a separate finding."""
    taken, refused = len(passes.case.body), len(fails.case.body)
    words = advice.size(taken, refused, fails.verdict, likely(taken, refused))
    title = Words("size of bodies", "请求体的大小")
    return Finding("size", title, "fail", fails.verdict.http_status, fails.seconds, words)
