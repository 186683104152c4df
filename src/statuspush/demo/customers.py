"""Customers that each behave differently: small HTTP servers that receive pushes."""

import asyncio
import socket
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final

from statuspush.core.decode import NotAPush, decode
from statuspush.core.kinds import VOICE_STATUS
from statuspush.demo.journal import Journal
from statuspush.receiver import Receiver

_MAX_HEAD: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Temper:
    """How a customer's endpoint behaves."""

    account: str
    what: str
    """A description for people."""
    share: int
    """How many of every 100 reports are for this customer."""
    answer: bytes = b"SUCCESS"
    delay: float = 0.0
    """Seconds before the answer."""
    fails: float = 0.0
    """Share of pushes that fail: half with HTTP 500, half with the connection cut."""
    dead: bool = False
    """Refuses connections for a while, then hangs, then recovers."""
    ours: bool = False
    """Runs our own receiver, with an inbox on disk."""

    @property
    def well(self) -> bool:
        """Acknowledges every push that comes."""
        return not (self.fails or self.dead) and self.answer == b"SUCCESS"


TEMPERS: Final = (
    Temper("big", "answers immediately, gets half of all", share=50),
    Temper("good", "runs our own receiver", share=10, ours=True),
    Temper("slow", "takes 300 ms", share=10, delay=0.3),
    Temper("dead", "refuses, then hangs, then recovers", share=10, dead=True),
    Temper("wrong", 'answers "SUCCESS" with quotes', share=10, answer=b'"SUCCESS"'),
    Temper("flaky", "fails 3 times of 10", share=10, fails=0.3),
)


class Customer:
    """One endpoint on a separate port.

    :param directory: for its files.
    :param dead_seconds: for how long from its start a dead customer refuses connections (the first
        half) and hangs (the second).
    """

    def __init__(
        self,
        temper: Temper,
        journal: Journal,
        rng: Random,
        directory: Path,
        dead_seconds: float,
    ) -> None:
        self.temper = temper
        self._receiver = (
            Receiver(f"sqlite:///{directory}/{temper.account}-inbox.db") if temper.ours else None
        )
        self._journal = journal
        self._rng = rng
        self._dead_seconds = dead_seconds if temper.dead else 0.0
        self._began = 0.0
        self._server: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        # A port that is bound but not listening refuses connections and yet stays reserved.
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/voice_status"

    async def start(self) -> None:
        """Open the port; a dead customer does so later."""
        self._began = monotonic()
        if self._receiver is not None:
            self._receiver.start()
        if self._dead_seconds:
            self._opening = asyncio.create_task(self._open_later())
        else:
            await self._open()

    async def stop(self) -> None:
        """Close the port and cut connections."""
        if self._opening is not None:
            self._opening.cancel()
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._socket.close()
        if self._receiver is not None:
            await asyncio.to_thread(self._receiver.stop)

    async def _open_later(self) -> None:
        await asyncio.sleep(self._dead_seconds / 2)
        await self._open()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._socket, limit=_MAX_HEAD)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._request(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # the service went away, or isn't the one we know
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One push; False when the connection must not be reused."""
        head = await reader.readuntil(b"\r\n\r\n")
        headers = _headers(head)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        try:
            # As the contract asks of a receiver: decode as often as it takes.
            sids = [str(report["sid"]) for report in decode(body, VOICE_STATUS)]
        except NotAPush:
            writer.write(_response(400, b"not a push"))
            return True
        self._journal.arrived(self.temper.account, sids, int(headers.get("x-push-attempt", "1")))
        if monotonic() - self._began < self._dead_seconds:
            await asyncio.sleep(self._began + self._dead_seconds - monotonic())
            return False
        if self._receiver is not None:
            answer = await self._receiver.accept_async(body, headers)
            if answer.acknowledged:
                self._journal.acknowledged(self.temper.account, sids)
            writer.write(_response(answer.status, answer.body))
            return True
        await asyncio.sleep(self.temper.delay)
        if self._rng.random() < self.temper.fails:
            if self._rng.random() < 0.5:
                return False
            writer.write(_response(500, b"Internal Server Error"))
            return True
        if self.temper.answer == b"SUCCESS":
            self._journal.acknowledged(self.temper.account, sids)
        writer.write(_response(200, self.temper.answer))
        return True


def _headers(head: bytes) -> dict[str, str]:
    """Headers by lower-case name."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _response(status: int, body: bytes) -> bytes:
    reason = HTTPStatus(status).phrase
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
