"""A cheap customer: answers SUCCESS to every POST, and keeps what it received in a file.

The file holds for each push its time of arrival, its path and its body, undecoded, so that the
sink takes little of the machine; everything is decoded and reconciled after the measurement.
"""

import asyncio
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import uvloop

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nSUCCESS"
_RECORD = struct.Struct("=dHI")


class _Customer(asyncio.Protocol):
    def __init__(self, journal: "Journal") -> None:
        self._journal = journal
        self._buffer = bytearray()
        self._need = 0
        self._path = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by type

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            if not self._need:
                end = self._buffer.find(b"\r\n\r\n")
                if end < 0:
                    return
                head = bytes(self._buffer[:end])
                del self._buffer[: end + 4]
                self._path = head.split(b" ", 2)[1]
                at = head.lower().index(b"content-length:")
                self._need = int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self._buffer) < self._need:
                return
            body = bytes(self._buffer[: self._need])
            del self._buffer[: self._need]
            self._need = 0
            self._journal.write(self._path, body)
            self._transport.write(_ANSWER)


class Journal:
    """What arrived, in order."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=1 << 20)

    def write(self, path: bytes, body: bytes) -> None:
        """Note a push."""
        self._file.write(_RECORD.pack(time.time(), len(path), len(body)))
        self._file.write(path)
        self._file.write(body)

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._file.flush()

    @staticmethod
    def read(path: Path) -> Iterator[tuple[float, str, bytes]]:
        """(time of arrival, path, body) of each push."""
        with path.open("rb") as file:
            while head := file.read(_RECORD.size):
                arrived, path_length, body_length = _RECORD.unpack(head)
                yield arrived, file.read(path_length).decode(), file.read(body_length)


async def _serve(path: Path) -> None:
    loop = asyncio.get_running_loop()
    journal = Journal(path)
    server = await loop.create_server(lambda: _Customer(journal), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The end is the end of our standard input: no orphan stays behind.
    await loop.run_in_executor(None, sys.stdin.read)
    journal.flush()
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1])))
