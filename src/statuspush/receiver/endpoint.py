"""Handles a push, whatever server or framework it came through."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from statuspush.clock import WallClock
from statuspush.core.decode import NotAPush, decode
from statuspush.core.errors import ServiceError
from statuspush.core.kinds import Kind
from statuspush.core.lines import write_lines
from statuspush.receiver.gate import Gate, Refused
from statuspush.receiver.inbox import Inbox, InboxFull, Kept

_log: Final = logging.getLogger("statuspush.receiver")
_STORE_SECONDS: Final = 10.0
"""A sender waits 15 s; nobody would get an answer after that."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def acknowledged(self) -> bool:
        """Whether it tells the sender that the push is stored."""
        return self.status == 200


_PLAIN: Final = {"Content-Type": "text/plain; charset=utf-8"}
_SUCCESS: Final = Answer(200, b"SUCCESS", _PLAIN)


def _refusal(status: int, message: str, **headers: str) -> Answer:
    return Answer(status, f"{message}\n".encode(), _PLAIN | headers)


class Endpoint:
    """Takes pushes into an inbox. Every method may be called from any thread.

    ``counts`` has the results of pushes so far, by a word: ``acknowledged``, or why not
    (``not_json``, ``token``, ``unavailable``, …); and ``reports`` and ``repeats``.
    """

    def __init__(self, inbox: Inbox, gate: Gate, clock: WallClock, kind: Kind[Any]) -> None:
        """Take what it works with; the inbox is open."""
        self.gate = gate
        self.counts: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._inbox = inbox
        self._clock = clock
        self._kind = kind

    def admit(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        client: str | None,
    ) -> str | Answer:
        """Whose push it is, judged by everything except its body; or why it is refused.

        :param headers: with names in lower case.
        """
        try:
            if method != "POST":
                raise Refused(405, "method", f"a push is a POST, not a {method}")
            account = self.gate.account(path, query, headers, client)
            length = headers.get("content-length", "")
            if length.isascii() and length.isdigit():
                self.gate.check_size(int(length[:20]))
        except Refused as refused:
            return self.refuse(refused)
        return account

    def accept(self, account: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Answer a push that was admitted; waits until its reports are on disk."""
        found = self._begin(account, body, headers)
        if isinstance(found, Answer):
            return found
        try:
            return self._stored(found.result(_STORE_SECONDS))
        except (ServiceError, TimeoutError) as error:
            return self._unavailable(error)

    async def accept_async(self, account: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The same on an event loop, without blocking it."""
        found = self._begin(account, body, headers)
        if isinstance(found, Answer):
            return found
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                return self._stored(await asyncio.wrap_future(found))
        except (ServiceError, TimeoutError) as error:
            return self._unavailable(error)

    def count(self, word: str, number: int = 1) -> None:
        """Count the result of a push."""
        with self._counting:
            self.counts[word] += number

    def refuse(self, refused: Refused) -> Answer:
        """Count and log a refusal, without any of the content."""
        self.count(refused.reason)
        _log.warning("push refused (%s): %s", refused.reason, refused)
        more = {"Allow": "POST"} if refused.status == 405 else {}
        return _refusal(refused.status, str(refused), **more)

    def _begin(
        self, account: str, body: bytes, headers: Mapping[str, str]
    ) -> "Answer | Future[Kept]":
        now = self._clock.now()
        try:
            self.gate.check_size(len(body))
            # The wall clock, not ours, because the sender signs by it: a machine that started with
            # a wrong one must not refuse everything until a restart.
            self.gate.check_signature(headers, body, (now + self._clock.skew()) / 1000)
            reports = decode(body, self._kind, headers.get("content-type"))
        except Refused as refused:
            return self.refuse(refused)
        except NotAPush as error:
            return self.refuse(Refused(400, error.reason.value, str(error)))
        if not reports:
            return self._stored(Kept(0, 0))
        try:
            ids = [str(report[self._kind.unique]) for report in reports]
            return self._inbox.put(account, ids, write_lines(reports), now)
        except ServiceError as error:
            return self._unavailable(error)

    def _stored(self, stored: Kept) -> Answer:
        self.count("acknowledged")
        self.count("reports", stored.new)
        self.count("repeats", stored.repeats)
        return _SUCCESS

    def _unavailable(self, error: Exception) -> Answer:
        self.count("unavailable")
        if isinstance(error, InboxFull):
            return _refusal(503, str(error), **{"Retry-After": "1"})
        _log.error("push not stored: %s", error or type(error).__name__)
        return _refusal(500, "the reports could not be stored; push them again")
