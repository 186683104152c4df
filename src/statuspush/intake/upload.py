"""Submits reports to a running service: in batches, over a few connections, until they are in.

Reports of one account all go over the same connection (a *lane*), one batch after the other, so
they are accepted in the order of the file however many lanes there are. A batch that may or may
not have arrived is sent again: the service recognises a ``sid`` that it has.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from random import uniform
from threading import Thread
from time import monotonic, time
from typing import Any, Final, TypeVar, cast
from zlib import crc32

import httpx

from statuspush.api_client import ApiFailed, problem_of, require_success, unreachable
from statuspush.core.errors import InputError, StatuspushError
from statuspush.intake.read import Line

MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
"""Half of what the service accepts in a request."""
MAX_KEPT_MISTAKES: Final = 1000

T = TypeVar("T")

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 15.0
_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed."""


@dataclass(frozen=True, slots=True)
class WrongReport:
    """Why a report of the file was refused."""

    line: int
    field: str
    """Its wrong key; empty when the line as a whole is."""
    message: str


@dataclass(slots=True)
class UploadCounts:
    """How much of the file has been submitted so far."""

    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    """Reports that were found wrong; others in the same batch do not count."""
    more_refused: bool = False
    """The service did not list all mistakes of a batch, so there are more than ``refused``."""
    mistakes: list[WrongReport] = field(default_factory=list)
    """The first 1,000."""
    stopped: bool = False
    """A mistake ended the upload before the end of the file."""
    broken: InputError | None = None
    """Why reading the file failed; what came before has been submitted."""

    def refuse(self, mistakes: list[WrongReport]) -> None:
        """Note mistakes; several in one line count as one refused report."""
        self.refused += len({mistake.line for mistake in mistakes})
        self.mistakes += mistakes[: MAX_KEPT_MISTAKES - len(self.mistakes)]


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """How to submit."""

    url: str
    """Base URL of the service."""
    headers: dict[str, str]
    batch: int
    """Reports per request."""
    lanes: int
    """Concurrent connections."""
    skip_invalid: bool
    """Skip refused reports and go on, instead of stopping."""
    patience: float
    """Seconds for which a batch is retried."""
    proxies: bool
    """Whether the environment's proxies apply."""


async def upload(
    lines: Iterator[Line], plan: UploadPlan, tally: UploadCounts, say: Callable[[str], None]
) -> None:
    """Submit all lines, counting in ``tally``.

    ``say`` gets a line of text when something is worth a person's attention. Returns at the end
    of the file, or with ``tally.stopped`` after a mistake (unless mistakes are skipped), once what
    was under way is finished. Raises InputError where the file can't be read (after everything
    before it is in), :class:`ApiFailed` when patience ends, ApiRefused when the service refuses
    the request as such (a wrong token).
    """
    timeout = httpx.Timeout(120, connect=10)
    limits = httpx.Limits(max_connections=plan.lanes)
    async with httpx.AsyncClient(
        headers=plan.headers, timeout=timeout, limits=limits, trust_env=plan.proxies
    ) as client:
        lanes = [_Lane(client, plan, tally, say) for _ in range(plan.lanes)]
        feed = _Feed(lines, lanes, plan, tally)
        try:
            async with asyncio.TaskGroup() as tasks:
                for lane in lanes:
                    tasks.create_task(lane.run())
                tasks.create_task(feed.run())
        except BaseExceptionGroup as group:
            # All lanes fail for the same reason, and one line is enough. (What is raised inside
            # `except*` comes out in a group on CPython 3.11.2.)
            ours = group.subgroup(StatuspushError)
            if ours is None:
                raise
            raise _first(ours) from None
    if tally.broken:
        raise tally.broken


def _first(group: BaseExceptionGroup[StatuspushError]) -> StatuspushError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


class _Batch:
    """Lines that travel in one request."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.bytes = 0

    def add(self, line: Line) -> None:
        self.lines.append(line)
        self.bytes += len(line.json) + 1


class _Feed:
    """Reads the file and distributes its lines to the lanes."""

    def __init__(
        self, lines: Iterator[Line], lanes: list["_Lane"], plan: UploadPlan, tally: UploadCounts
    ) -> None:
        self._lines = lines
        self._lanes = lanes
        self._plan = plan
        self._tally = tally
        self._open = [_Batch() for _ in lanes]

    async def run(self) -> None:
        # Reading happens in a thread: a pipe may be silent for long, and lanes must go on.
        while not self._tally.stopped:
            full, more = await _in_thread(self._read)
            for lane, batch in full:
                await lane.batches.put(batch)
            if not more:
                break
        if not self._tally.stopped:
            for lane, batch in zip(self._lanes, self._open, strict=True):
                if batch.lines:
                    await lane.batches.put(batch)
        for lane in self._lanes:
            await lane.batches.put(None)

    def _read(self) -> tuple[list[tuple["_Lane", _Batch]], bool]:
        """Read until a batch is full; return also whether there is more."""
        try:
            return self._read_on()
        except InputError as error:
            self._tally.broken = error
            return [], False

    def _read_on(self) -> tuple[list[tuple["_Lane", _Batch]], bool]:
        for line in self._lines:
            if line.error:
                self._tally.refuse([WrongReport(line.number, "", line.error)])
                if not self._plan.skip_invalid:
                    self._tally.stopped = True
                    return [], False
                continue
            index = crc32(line.account.encode()) % len(self._lanes)
            batch = self._open[index]
            batch.add(line)
            if len(batch.lines) >= self._plan.batch or batch.bytes >= MAX_BATCH_BYTES:
                self._open[index] = _Batch()
                return [(self._lanes[index], batch)], True
        return [], False


async def _in_thread(work: Callable[[], T]) -> T:
    """Like ``asyncio.to_thread``, but a thread stuck on a silent pipe doesn't delay the exit."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(cast("T", result))

    def run() -> None:
        try:
            outcome: tuple[T | None, BaseException | None] = (work(), None)
        except BaseException as error:  # it is raised again where it is awaited
            outcome = (None, error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits now
            loop.call_soon_threadsafe(settle, *outcome)

    Thread(target=run, daemon=True).start()
    return await done


class _Lane:
    """One connection: takes its batches in order, and each until it is in."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        plan: UploadPlan,
        tally: UploadCounts,
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._plan = plan
        self._tally = tally
        self._say = say
        self.batches: asyncio.Queue[_Batch | None] = asyncio.Queue(maxsize=2)

    async def run(self) -> None:
        while (batch := await self.batches.get()) is not None:
            # After a stop the queue is emptied, so that the feed doesn't wait for room in it.
            if not self._tally.stopped:
                await self._hand_in(batch.lines)

    async def _hand_in(self, lines: list[Line]) -> None:
        """Submit until the batch is in, or what remains of it without its mistakes."""
        while lines:
            response = await self._post(b"\n".join(line.json for line in lines))
            if response.status_code == 422:
                wrong = self._mistakes(response, lines)
                if not self._plan.skip_invalid:
                    self._tally.stopped = True
                    return
                lines = [line for index, line in enumerate(lines) if index not in wrong]
                continue
            require_success(response)
            answer = response.json()
            self._tally.accepted += answer["accepted"]
            self._tally.duplicates += answer["duplicates"]
            return

    def _mistakes(self, response: httpx.Response, lines: list[Line]) -> set[int]:
        """Note what the service found wrong; return the indexes of the wrong reports."""
        problem = problem_of(response)
        errors: list[dict[str, Any]] = problem.get("errors") or []
        found = {
            error["index"]: error
            for error in errors
            if isinstance(error.get("index"), int) and 0 <= error["index"] < len(lines)
        }
        # When mistakes are skipped, the rest is listed by the next refusal of the same batch.
        if not self._plan.skip_invalid and problem.get("error_count", 0) > len(errors):
            self._tally.more_refused = True
        if not found:
            require_success(response)  # raises, because nothing could be left out
        self._tally.refuse(
            [
                WrongReport(
                    lines[e["index"]].number, str(e.get("field", "")), str(e.get("message"))
                )
                for e in errors
                if e.get("index") in found
            ]
        )
        return set(found)

    async def _post(self, body: bytes) -> httpx.Response:
        """Send a batch until it is accepted or refused, or patience ends."""
        began = monotonic()
        pause = _FIRST_PAUSE
        while True:
            try:
                response = await self._client.post(
                    f"{self._plan.url}/v1/reports",
                    content=body,
                    headers={"Content-Type": "application/x-ndjson"},
                )
            except httpx.TransportError as error:
                why, asked = unreachable(self._plan.url, error), None
            else:
                if response.status_code not in _AGAIN:
                    return response
                detail = problem_of(response).get("detail", "")
                why = f"HTTP {response.status_code} {detail}".strip()
                asked = _retry_after(response)
            # With jitter, so that many submitters with one Retry-After don't come back together.
            wait = min(asked or pause, _LONGEST_PAUSE) * uniform(1.0, 1.25)  # noqa: S311 - no secret
            if monotonic() - began + wait > self._plan.patience:
                raise ApiFailed(
                    f"gave up after {monotonic() - began:.0f} s: {why}. Run the same command "
                    "again later; reports that are already in are recognised"
                )
            self._say(f"trying again in {wait:.1f} s: {why}")
            await asyncio.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the answer asks to wait (RFC 9110, section 10.2.3); None if it doesn't."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None
