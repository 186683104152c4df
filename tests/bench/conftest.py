"""Shares of runs for the judge, and a small server for the load generator."""

import asyncio
import re
from dataclasses import dataclass, field

import pytest

from statuspush.bench.figures import Shares


@pytest.fixture
def shares():
    """Make the shares of a run in which nothing was busy but what is named."""

    def make(**busy):
        idle = dict.fromkeys(Shares.__dataclass_fields__, 0.0)
        return Shares(**{**idle, **busy})

    return make


@dataclass
class FakeService:
    """Answers each submission from a script, then with 202, and keeps their bodies."""

    script: list = field(default_factory=list)
    """Answers as bytes; an empty one hangs up. A list of several is sent in pieces."""
    bodies: list = field(default_factory=list)
    port: int = 0

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
                body = await reader.readexactly(length)
                self.bodies.append(body)
                answer = self.script.pop(0) if self.script else self.accepted(body)
                for piece in answer if isinstance(answer, list) else [answer]:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.001)
                if not answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @staticmethod
    def accepted(body):
        text = b'{"accepted":%d,"duplicates":0}' % body.count(b'"sid"')
        head = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        return head % len(text) + b"\r\n" + text


@pytest.fixture
async def service():
    """A small server in this process that stands for the service."""
    fake = FakeService()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    yield fake
    server.close()
    await asyncio.sleep(0.01)  # handlers of aborted connections come to their end
