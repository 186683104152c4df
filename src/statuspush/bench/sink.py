"""A cheap customer in a separate process: answers SUCCESS to every POST and keeps what it got.

``python -m statuspush.bench.sink FILE`` prints its port, and ends at the end of its standard
input. The file holds the time of arrival, path and body of each push, undecoded, so that the sink
uses little of the machine; it is decoded after the measurement.
"""

import asyncio
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import uvloop

_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nSUCCESS"
_RECORD: Final = struct.Struct("=dHI")
_HEAD_END: Final = b"\r\n\r\n"


class SinkJournal:
    """What arrived, in order."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=1 << 20)

    def write(self, path: bytes, body: bytes | memoryview) -> None:
        """Note a push."""
        self._file.write(_RECORD.pack(time.time(), len(path), len(body)))
        self._file.write(path)
        self._file.write(body)

    def close(self) -> None:
        """Write everything out to the operating system."""
        self._file.close()

    @staticmethod
    def read(path: Path) -> Iterator[tuple[float, str, bytes]]:
        """(wall time of arrival, path, body) of each push."""
        with path.open("rb") as file:
            while head := file.read(_RECORD.size):
                arrived, path_length, body_length = _RECORD.unpack(head)
                yield arrived, file.read(path_length).decode(), file.read(body_length)


class _Customer(asyncio.Protocol):
    def __init__(self, journal: SinkJournal) -> None:
        self._journal = journal
        self._buffer = bytearray()
        self._need = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not derive from it

    def data_received(self, data: bytes) -> None:
        if not self._buffer:
            taken = self._take(data)
            if taken == len(data):
                return  # nearly always: one whole request
            data = data[taken:]
        self._buffer += data
        while len(self._buffer) >= self._need and (taken := self._take(self._buffer)):
            del self._buffer[:taken]

    def _take(self, data: bytes | bytearray) -> int:
        """Answer the request that begins ``data`` if it is whole; return its length, else 0."""
        end = data.find(_HEAD_END)
        if end < 0:
            return 0
        head = bytes(data[:end])
        at = head.lower().index(b"content-length:")
        body = end + len(_HEAD_END)
        length = body + int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(data) < length:
            self._need = length
            return 0
        self._need = 0
        with memoryview(data) as view:
            self._journal.write(head.split(b" ", 2)[1], view[body:length])
        self._transport.write(_ANSWER)
        return length


async def _serve(path: Path) -> None:
    loop = asyncio.get_running_loop()
    journal = SinkJournal(path)
    server = await loop.create_server(lambda: _Customer(journal), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends at the end of standard input, so that no orphan stays behind.
    await loop.run_in_executor(None, sys.stdin.read)
    journal.close()
    server.close()


def main() -> None:
    """Serve until the end of the standard input."""
    uvloop.run(_serve(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
