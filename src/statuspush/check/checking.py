"""The check as its callers see it: in goes an endpoint, out come progress and findings."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from statuspush.check.course import Course
from statuspush.check.echo import Echo
from statuspush.check.findings import Finding
from statuspush.check.probe import Probe
from statuspush.core.signature import validate_secret
from statuspush.core.words import Words
from statuspush.transport import AddressGuard, Transport, validate_header, validate_url
from statuspush.transport.guard import ANYWHERE


@dataclass(frozen=True)
class Trying:
    """Progress: this is being sent."""

    title: Words


async def check_endpoint(
    url: str,
    *,
    secret: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
    seconds: float = 15.0,
    quick: bool = False,
    echo: Echo | None = None,
    allow_private: bool = False,
) -> AsyncGenerator[Trying | Finding]:
    """Try an endpoint; yield each case as it is sent and each finding as it is made.

    Findings are final when they are yielded. Closing the iterator early ends the check.

    :param secret: signs the pushes; ``headers`` are sent with each of them.
    :param seconds: limit for each request.
    :param quick: leaves out full pushes and the slow one.
    :param echo: where the endpoint shows what it understood.
    :param allow_private: whether private and local addresses may be called; only for a person who
        checks an endpoint of their own.

    Raises :class:`~statuspush.core.errors.InputError` before anything is sent if the URL, secret,
    a header or the echo can't be used.
    """
    validate_url(url)
    if secret is not None:
        validate_secret(secret)
    for name, value in headers:
        validate_header(name, value)
    events: asyncio.Queue[Trying | Finding | None] = asyncio.Queue()
    guard = AddressGuard(ANYWHERE if allow_private else ())
    transport = Transport(guard=guard)
    course = Course(
        Probe(url, transport, guard, secret, headers, seconds),
        quick=quick,
        echo=echo,
        trying=lambda title: events.put_nowait(Trying(title)),
        found=events.put_nowait,
    )
    running = asyncio.create_task(course.run())
    running.add_done_callback(lambda _: events.put_nowait(None))
    try:
        while (event := await events.get()) is not None:
            yield event
        await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await transport.close()


def passed(findings: Sequence[Finding]) -> bool:
    """Whether there is nothing to fix; warnings are allowed."""
    return not any(finding.grade == "fail" for finding in findings)


def document(url: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """The result as one JSON document."""
    return {
        "url": url,
        "right": passed(findings),
        "cases": [
            {
                "name": finding.name,
                "title": finding.title.en,
                "grade": finding.grade,
                "status": finding.status,
                "milliseconds": finding.milliseconds,
                "advice": finding.advice.en if finding.advice else None,
                "advice_zh": finding.advice.zh if finding.advice else None,
            }
            for finding in findings
        ],
    }
