"""A Redis server of our own: private port and directory, and a client small enough to read."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.baselines.processes import Program, running

Reply: TypeAlias = "bytes | int | list[Reply] | None"

_START_SECONDS = 10


class RedisMissing(RuntimeError):
    """There is no redis-server on PATH."""


class Client:
    """One connection; commands go out and replies come back one after the other."""

    def __init__(self, port: int) -> None:
        """Connect."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._replies = self._socket.makefile("rb")

    def command(self, *words: str) -> Reply:
        """Send a command and wait for its reply; an error of the server is raised."""
        encoded = [word.encode() for word in words]
        self._socket.sendall(
            b"*%d\r\n" % len(encoded)
            + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
        )
        return self._read()

    def number(self, *words: str) -> int:
        """The reply of a command that answers with a number."""
        reply = self.command(*words)
        assert isinstance(reply, int)
        return reply

    def close(self) -> None:
        """Hang up."""
        self._replies.close()
        self._socket.close()

    def _read(self) -> Reply:
        line = self._replies.readline()
        kind, rest = line[:1], line[1:].strip()
        match kind:
            case b"+":
                return rest
            case b":":
                return int(rest)
            case b"$":
                return None if rest == b"-1" else self._replies.read(int(rest) + 2)[:-2]
            case b"*":
                return None if rest == b"-1" else [self._read() for _ in range(int(rest))]
            case _:
                raise RuntimeError(f"Redis: {rest.decode(errors='replace') or 'connection lost'}")


@dataclass(frozen=True)
class Broker:
    """A Redis server that runs."""

    program: Program
    client: Client
    url: str


def _executable() -> str:
    found = shutil.which("redis-server")
    if found is None:
        raise RedisMissing("redis-server is not on PATH; on Debian: apt install redis-server")
    return found


def version() -> str:
    """The version of the server, such as 7.0.15."""
    said = subprocess.run([_executable(), "--version"], capture_output=True, text=True, check=True)
    return next(word[2:] for word in said.stdout.split() if word.startswith("v="))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Broker]:
    """Run a server that keeps its data in a file, synced every second."""
    port = _free_port()
    data = folder / "redis"
    data.mkdir()
    command = (
        *(_executable(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
    )
    with running("redis", command, logs=folder, cwd=folder) as program:
        client = _connected(program, port)
        try:
            yield Broker(program, client, f"redis://127.0.0.1:{port}/0")
        finally:
            client.close()


def _connected(program: Program, port: int) -> Client:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        program.check()
        with contextlib.suppress(ConnectionRefusedError):
            return Client(port)
        if time.monotonic() > deadline:
            raise RuntimeError("Redis does not start")
        time.sleep(0.02)
