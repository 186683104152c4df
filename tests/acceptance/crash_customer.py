"""A customer in a process of its own, which survives whatever is done to the service.

Every push that arrives whole is written to a journal before it is answered: a line of JSON with
time, path, ``webhook-id``, attempt, the answer that follows, and the body as it came. How each
path behaves is told over stdin, a line of JSON at a time, each confirmed by a line on stdout;
the end of stdin is the end of the process. Nothing of statuspush is used here.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass


@dataclass
class Behaviour:
    """What a path does with a push."""

    answer: str = "SUCCESS"
    status: int = 200
    wait: float = 0.0
    """Seconds before the answer."""
    fails: float = 0.0
    """Share of pushes that are answered with an error."""
    hang: bool = False
    """Never answer."""
    kill: int = 0
    """Process to kill when the answer is written; once."""
    touch: str = ""
    """File to create before the answer is written; once."""


class Customer:
    """Accounts are told apart by path."""

    def __init__(self, journal: str) -> None:
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._behaviours: dict[str, Behaviour] = {}

    def behave(self, path: str, behaviour: Behaviour) -> None:
        self._behaviours[path] = behaviour

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request, *lines = head.decode("latin-1").rstrip().split("\r\n")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines)
                }
                body = await reader.readexactly(int(headers["content-length"]))
                await self._answer(request.split(" ")[1], headers, body, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        does = self._behaviours.get(path) or self._behaviours.get("*") or Behaviour()
        at = time.time()
        steady = time.monotonic()
        if does.wait:
            await asyncio.sleep(does.wait)
        failing = random.random() < does.fails
        status, answer = (500, "try later") if failing else (does.status, does.answer)
        line = {
            "at": at,
            "steady": steady,
            "path": path,
            "id": headers.get("webhook-id"),
            "attempt": int(headers.get("x-push-attempt", 0)),
            "acknowledged": not does.hang and 200 <= status < 300 and answer in ("SUCCESS", "0"),
            "body": body.decode("latin-1"),
        }
        os.write(self._journal, json.dumps(line).encode() + b"\n")
        if does.hang:
            await asyncio.sleep(3600)
        if does.touch:
            os.close(os.open(does.touch, os.O_CREAT | os.O_WRONLY))
            does.touch = ""
        victim, does.kill = does.kill, 0
        if victim:
            # Stopped first, so that it can't read the answer and record it before it dies.
            os.kill(victim, signal.SIGSTOP)
        writer.write(
            f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(answer)}\r\n\r\n{answer}".encode()
        )
        if victim:
            os.kill(victim, signal.SIGKILL)
        await writer.drain()


async def main(journal: str) -> None:
    customer = Customer(journal)
    server = await asyncio.start_server(
        customer.connected, "127.0.0.1", 0, backlog=1024, limit=1 << 20
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        told = json.loads(line)
        customer.behave(told.pop("path"), Behaviour(**told))
        print("ok", flush=True)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
