"""Compares what an endpoint says it understood with what was sent."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from statuspush.check import advice
from statuspush.check.differences import why
from statuspush.check.findings import Finding
from statuspush.check.probe import Reaction
from statuspush.core.errors import InputError
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.kinds.voice_status import Submission
from statuspush.core.words import Words

WAIT_SECONDS: Final = 5.0
"""How long reports that are handled after the answer may take to appear."""
_PAUSE: Final = 0.2
_SHOWN_EXAMPLES: Final = 3
_TITLE: Final = Words("echo", "回显")
_MISSING_KEY: Final = "(no such key)"

Understood = Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Echo:
    """Where an endpoint shows its reports as JSON lines: a file, or a URL for a GET."""

    file: Path | None = None
    url: str | None = None

    async def read(self) -> list[dict[str, object]]:
        """All reports so far; a file that is not there yet has none. Raises InputError."""
        if self.file is not None:
            try:
                return read_lines(self.file.read_text("utf-8"))
            except FileNotFoundError:
                return []
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{self.file}: {error}") from None
        import httpx  # noqa: PLC0415 - heavy, and not needed for a file

        from statuspush.transport.tls import make_context  # noqa: PLC0415

        assert self.url is not None
        try:
            async with httpx.AsyncClient(
                timeout=WAIT_SECONDS, verify=make_context(None), trust_env=False
            ) as client:
                answer = await client.get(self.url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            words = str(error) or type(error).__name__
            raise InputError(f"{self.url}: {words}") from None
        if answer.status_code != 200:
            raise InputError(f"{self.url}: HTTP {answer.status_code}")
        return read_lines(answer.text)

    async def judge(self, sent: Sequence[Reaction]) -> list[Finding]:
        """Compare, once all that was acknowledged is there or some seconds have passed."""
        wanted = set(_acknowledged(sent))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WAIT_SECONDS
        while True:
            problem, understood = None, []
            try:
                understood = await self.read()
            except InputError as error:  # a line may be half written
                problem = error
            if wanted <= {str(each.get("sid")) for each in understood} or loop.time() > deadline:
                break
            await asyncio.sleep(_PAUSE)
        if problem is not None:
            words = advice.unreadable_echo(str(problem))
            return [Finding("echo", _TITLE, "fail", advice=words)]
        return compare(sent, understood)


def read_lines(text: str) -> list[dict[str, object]]:
    """JSON objects, one per line; raises InputError for anything else."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InputError(f"the echo is not JSON lines: line {number}: {error}") from None
        if not isinstance(value, dict):
            raise InputError(f"the echo is not JSON lines: line {number} is not a JSON object")
        found.append(value)
    return found


def _acknowledged(sent: Iterable[Reaction]) -> dict[str, tuple[Submission, Words]]:
    """By sid: each report that was acknowledged, and the title of its case."""
    return {
        report.sid: (report, seen.case.title)
        for seen in sent
        if seen.verdict.acknowledged
        for report in seen.case.reports
    }


def compare(sent: Sequence[Reaction], understood: Understood) -> list[Finding]:
    """Compare every field of every acknowledged report; a finding for each kind of mistake."""
    wanted = _acknowledged(sent)
    ours = {report.sid for seen in sent for report in seen.case.reports}
    shown: dict[str, list[Mapping[str, object]]] = defaultdict(list)
    for each in understood:
        if (sid := str(each.get("sid"))) in ours:
            shown[sid].append(each)
    if wanted and not shown:
        return [Finding("echo", _TITLE, "fail", advice=advice.ECHO_EMPTY)]
    found = [*_missing(wanted, shown), *_repeated(shown), *_fields(wanted, shown)]
    return found or [Finding("echo", _TITLE, "ok")]


def _missing(
    wanted: Mapping[str, tuple[Submission, Words]], shown: Mapping[str, object]
) -> list[Finding]:
    gone = [sid for sid in wanted if sid not in shown]
    if not gone:
        return []
    titles = list(dict.fromkeys(wanted[sid][1] for sid in gone))
    words = advice.missing(len(gone), gone[0], titles)
    return [Finding("echo-missing", _titled("reports missing", "缺少报告"), "fail", advice=words)]


def _repeated(shown: Mapping[str, Sequence[object]]) -> list[Finding]:
    again = [(sid, len(copies)) for sid, copies in shown.items() if len(copies) > 1]
    if not again:
        return []
    words = advice.twice(len(again), *again[0])
    return [Finding("echo-twice", _titled("a repeat", "重复推送"), "fail", advice=words)]


def _fields(
    wanted: Mapping[str, tuple[Submission, Words]],
    shown: Mapping[str, Sequence[Mapping[str, object]]],
) -> list[Finding]:
    """A finding for each key and cause, with some examples."""
    found: dict[tuple[str, Words | None], Counter[tuple[object, object]]] = defaultdict(Counter)
    for sid, (report, _) in wanted.items():
        for copy in shown.get(sid, ())[:1]:
            for key in VOICE_STATUS.keys:
                meant, got = getattr(report, key), copy.get(key, _MISSING_KEY)
                if meant != got or type(meant) is not type(got):
                    found[key, _cause(meant, got)][meant, _comparable(got)] += 1
    return [
        Finding(
            f"echo-{key}",
            _titled(key, key),
            "fail",
            advice=advice.difference(
                key,
                list(pairs)[:_SHOWN_EXAMPLES],
                sum(list(pairs.values())[_SHOWN_EXAMPLES:]),
                cause,
            ),
        )
        for (key, cause), pairs in found.items()
    ]


def _cause(meant: object, got: object) -> Words | None:
    if got == _MISSING_KEY:
        return Words("the key is missing", "缺少该键")
    return why(meant, got)


def _comparable(got: object) -> object:
    """A value that can be counted; lists and objects by their JSON."""
    return got if isinstance(got, str | int | float | None) else json.dumps(got)


def _titled(en: str, zh: str) -> Words:
    return Words(f"{_TITLE.en}, {en}", f"{_TITLE.zh}，{zh}")
