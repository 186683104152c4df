"""The order in which an endpoint is tried."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx

from statuspush.cli.check import read_lines
from statuspush.cli.checking import findings
from statuspush.cli.checking.cases import Case, Cases
from statuspush.cli.checking.findings import Finding
from statuspush.cli.checking.probe import Probe, Seen
from statuspush.core.contract import VOICE_STATUS, Wire
from statuspush.core.errors import InputError, ServiceError
from statuspush.core.outcome import Outcome

_UNREACHABLE: Final = frozenset(
    {
        Outcome.INVALID_URL,
        Outcome.ADDRESS_REFUSED,
        Outcome.DNS_FAILED,
        Outcome.CONNECTION_REFUSED,
        Outcome.CONNECT_TIMEOUT,
        Outcome.TLS_FAILED,
        Outcome.PROXY_FAILED,
    }
)
_ECHO_SECONDS: Final = 5.0
_ECHO_PAUSE: Final = 0.2
_BISECTIONS: Final = 6


class Course:
    """Tries one endpoint."""

    def __init__(
        self, probe: Probe, *, quick: bool, echo_url: str | None, echo_file: Path | None
    ) -> None:
        """Take what is asked for."""
        self._probe = probe
        self._quick = quick
        self._echo_url = echo_url
        self._echo_file = echo_file
        self._cases = Cases()
        self._sent: list[Seen] = []

    async def run(self) -> list[Finding]:
        """Try everything; after an endpoint that can't be reached, nothing further."""
        first, *forms = self._cases.wire_forms()
        seen = await self._send(first)
        found = [findings.of_case(seen)]
        if seen.verdict.outcome in _UNREACHABLE:
            return found
        values = self._cases.values()
        for case in (*forms, *values, self._cases.repeat(values[0])):
            found.append(findings.of_case(await self._send(case)))
        if not self._quick:
            found += await self._large()
        for case in self._cases.no_pushes():
            found.append(findings.of_case(await self._send(case)))
        if not self._quick:
            found += await self._at_once()
            found += await self._slow()
        if self._echo_url or self._echo_file:
            found += await self._echo()
        return found

    async def _send(self, case: Case) -> Seen:
        seen = await self._probe.send(case)
        self._sent.append(seen)
        return seen

    async def _large(self) -> list[Finding]:
        """500 reports; where these fail, about which size does."""
        found = []
        for wire in (Wire.ROBUST, Wire.DOUBLE):
            seen = await self._send(self._cases.full(wire))
            found.append(findings.of_case(seen))
            if not seen.verdict.acknowledged and wire is Wire.ROBUST:
                limit = await self._limit(seen)
                return [*found, *limit]
        return found

    async def _limit(self, refused: Seen) -> list[Finding]:
        taken, low, high = 0, 1, VOICE_STATUS.max_reports
        for _ in range(_BISECTIONS):
            middle = (low + high) // 2
            seen = await self._send(self._cases.full(Wire.ROBUST, middle))
            if seen.verdict.acknowledged:
                low, taken = middle, len(seen.case.body)
            else:
                high, refused = middle, seen
        if not taken:
            return []
        return [findings.of_size(taken, len(refused.case.body), refused)]

    async def _at_once(self) -> list[Finding]:
        sent = await asyncio.gather(*map(self._send, self._cases.concurrent()))
        return [_worst([findings.of_case(seen) for seen in sent])]

    async def _slow(self) -> list[Finding]:
        """A push that drips, and one beside it that must not wait for it."""
        slow = self._cases.push(
            "slow",
            "a slow body",
            "缓慢的请求体",
            Wire.ROBUST,
            [self._cases.report() for _ in range(20)],
        )
        beside = self._cases.push(
            "beside", "another one meanwhile", "同时的另一推送", Wire.ROBUST, [self._cases.report()]
        )
        dripping = asyncio.create_task(self._probe.drip(slow))
        await asyncio.sleep(0.5)
        seen = await self._send(beside)
        dripped = await dripping
        self._sent.append(dripped)
        return [findings.of_case(dripped), findings.of_case(seen)]

    async def _echo(self) -> list[Finding]:
        """What was understood; waits some seconds for what is handled after the answer."""
        wanted = {
            report.sid
            for seen in self._sent
            if seen.verdict.acknowledged
            for report in seen.case.reports
        }
        deadline = asyncio.get_running_loop().time() + _ECHO_SECONDS
        while True:
            understood = await self._understood()
            there = {str(each.get("sid")) for each in understood}
            if wanted <= there or asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_ECHO_PAUSE)
        found = findings.of_echo(self._sent, understood)
        return found or [Finding("echo", "echo", "回显", "ok", None, 0)]

    async def _understood(self) -> list[dict[str, object]]:
        if self._echo_file is not None:
            try:
                return read_lines(self._echo_file.read_text("utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{self._echo_file}: {error}") from None
        assert self._echo_url is not None
        try:
            async with httpx.AsyncClient(timeout=self._probe.timeout) as client:
                answer = (await client.get(self._echo_url)).raise_for_status()
        except httpx.HTTPError as error:
            raise ServiceError(f"{self._echo_url}: {error}") from None
        return read_lines(answer.text)


def _worst(found: Sequence[Finding]) -> Finding:
    order = ("ok", "warn", "fail")
    return max(found, key=lambda each: (order.index(each.grade), each.milliseconds))
