"""The order in which an endpoint is tried."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from statuspush.check import findings, limits
from statuspush.check.cases import Case, Cases
from statuspush.check.echo import Echo
from statuspush.check.findings import Finding
from statuspush.check.probe import Probe, Reaction
from statuspush.core.contract import Wire
from statuspush.core.outcome import Outcome
from statuspush.core.words import Words

DRIP_SECONDS: Final = 2.0
"""How long the slow body takes."""
MOST_TIMEOUTS: Final = 3
"""After this many nothing more is sent: each costs fifteen seconds."""

_NO_ENDPOINT: Final = frozenset(
    {
        Outcome.INVALID_URL,
        Outcome.ADDRESS_REFUSED,
        Outcome.DNS_FAILED,
        Outcome.CONNECTION_REFUSED,
        Outcome.CONNECT_TIMEOUT,
        Outcome.PROXY_FAILED,
        Outcome.TLS_FAILED,
        Outcome.TIMEOUT,
        Outcome.INVALID_RESPONSE,
        Outcome.REDIRECT,
    }
)
_NOT_HERE: Final = frozenset({401, 403, 404, 405})
"""After one of these outcomes or statuses at the first push, all others would be the same."""


class _GivenUp(Exception):
    """Too many requests got no answer."""


class Course:
    """Tries one endpoint."""

    def __init__(
        self,
        probe: Probe,
        *,
        quick: bool,
        echo: Echo | None,
        trying: Callable[[Words], None],
        found: Callable[[Finding], None],
    ) -> None:
        """Make a course; it calls ``trying`` with each case's title, ``found`` with findings."""
        self._probe = probe
        self._quick = quick
        self._echo = echo
        self._trying = trying
        self._found = found
        self._cases = Cases()
        self._sent: list[Reaction] = []
        self._timeouts = 0

    async def run(self) -> None:
        """Try everything; after an endpoint that can't be reached, nothing further.

        Raises InputError if there is an echo that can't be read.
        """
        if self._echo is not None:
            await self._echo.read()
        first, *forms = self._cases.wire_forms()
        seen = await self._send(first)
        if seen.verdict.outcome in _NO_ENDPOINT or seen.verdict.http_status in _NOT_HERE:
            self._found(findings.of_case(seen))
            return
        try:
            await self._small(seen, forms)
            await self._rest()
        except _GivenUp:
            self._found(findings.given_up())
        if self._echo is not None:
            for finding in await self._echo.judge(self._sent):
                self._found(finding)

    async def _rest(self) -> None:
        """Full pushes, requests that are not pushes, concurrent pushes, a slow one."""
        if not self._quick:
            limited = await self._full(Wire.ROBUST)
            if not limited:
                await self._full(Wire.DOUBLE)
        for case in self._cases.no_pushes():
            self._found(findings.of_case(await self._send(case)))
        sent = await asyncio.gather(*map(self._send, self._cases.concurrent()))
        self._found(findings.of_concurrent(sent))
        if not self._quick:
            await self._slow()

    async def _send(self, case: Case) -> Reaction:
        if self._timeouts >= MOST_TIMEOUTS:
            raise _GivenUp
        self._trying(case.title)
        return self._noted(await self._probe.send(case))

    def _noted(self, seen: Reaction) -> Reaction:
        self._sent.append(seen)
        self._timeouts += seen.verdict.outcome is Outcome.TIMEOUT
        return seen

    async def _small(self, first: Reaction, forms: Sequence[Case]) -> None:
        """One report, then difficult values, in each wire form; and a repeat."""
        self._found(await self._steady(first) or findings.of_case(first))
        sound = first.verdict.acknowledged
        for case in forms:
            seen = await self._send(case)
            # Where nothing passes, nothing is learned by sending it again.
            unsteady = await self._steady(seen) if sound else None
            self._found(unsteady or findings.of_wire_form(seen, others_pass=sound))
        for wire in Wire:
            await self._values(wire, sound=sound)

    async def _values(self, wire: Wire, *, sound: bool) -> None:
        """Difficult values together; each alone where that fails and a plain report passes."""
        seen = await self._send(self._cases.values(wire))
        found = findings.of_wire_form(seen, others_pass=sound)
        passes = self._smallest(wire).verdict.acknowledged
        if passes and not seen.verdict.acknowledged:
            alone = [await self._send(case) for case in self._cases.values_alone(wire)]
            found = findings.of_values(seen, alone) or findings.of_case(seen)
        self._found(found)
        if passes and wire is Wire.ROBUST:
            taken = seen if seen.verdict.acknowledged else self._smallest(wire)
            again = await self._send(self._cases.repeat(taken.case))
            self._found(findings.of_case(again))

    async def _steady(self, seen: Reaction) -> Finding | None:
        """What failed is sent once more: an endpoint that now takes it is unsteady."""
        if seen.verdict.acknowledged or seen.verdict.outcome is Outcome.TIMEOUT:
            return None
        again = await self._send(replace(seen.case, attempt=2))
        return findings.of_unsteady(seen) if again.verdict.acknowledged else None

    def _smallest(self, wire: Wire) -> Reaction:
        """The reaction to the push of one report."""
        return next(seen for seen in self._sent if seen.case.name == wire.value)

    async def _full(self, wire: Wire) -> bool:
        """A full push; where only that fails, the size from which on it does, and True."""
        seen, small = await self._send(self._cases.full(wire)), self._smallest(wire)
        sound = self._smallest(Wire.ROBUST).verdict.acknowledged
        found = findings.of_wire_form(seen, others_pass=sound)
        if (
            seen.verdict.acknowledged
            or not small.verdict.acknowledged
            or seen.verdict.outcome is Outcome.TIMEOUT
        ):
            self._found(found)
            return False
        passes, fails = await limits.find_limit(
            self._send, partial(self._cases.full, wire), small, seen
        )
        size = limits.of_size(passes, fails)
        self._found(replace(found, advice=size.advice))
        self._found(size)
        return True

    async def _slow(self) -> None:
        """A push that drips in, and a concurrent one that must not wait for it."""
        slow = self._cases.slow()
        self._trying(slow.title)
        loop = asyncio.get_running_loop()
        there_at = loop.time() + DRIP_SECONDS
        dripping = asyncio.create_task(self._probe.drip(slow, DRIP_SECONDS))
        await asyncio.wait({dripping}, timeout=DRIP_SECONDS / 4)
        beside = self._noted(await self._probe.send(self._cases.beside()))
        longer = beside.seconds - self._smallest(Wire.ROBUST).seconds
        waited = loop.time() >= there_at and longer > DRIP_SECONDS / 2
        self._found(findings.of_slow(self._noted(await dripping)))
        self._found(findings.of_beside(beside, waited=waited))
