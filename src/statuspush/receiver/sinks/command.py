"""Reports on the standard input of a command, which is run for every batch."""

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO, Final

from statuspush.core.errors import ServiceError
from statuspush.core.kinds import Received

TIMEOUT_SECONDS: Final = 60.0
"""A command that takes longer is killed, with everything that it has started."""

_TOLD_BYTES: Final = 300


class CommandSink:
    """Runs a command in a shell; its exit status 0 means that it has taken the batch over."""

    def __init__(self, command: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Take the command as one would type it."""
        self._command: Final = command
        self._timeout_seconds: Final = timeout_seconds
        self._running: subprocess.Popen[bytes] | None = None

    async def open(self) -> None:
        """Nothing to get ready: the first batch shows whether the command exists."""

    async def deliver(self, reports: Sequence[Received]) -> None:
        """Run the command with one JSON line per report on its input; returns when it has ended."""
        lines = b"".join(report.json() + b"\n" for report in reports)
        try:
            await asyncio.to_thread(self._run, lines)
        except asyncio.CancelledError:
            self._kill()
            raise

    async def close(self) -> None:
        """End a command that still runs."""
        self._kill()

    def _run(self, lines: bytes) -> None:
        # Files instead of pipes: a command may read nothing, say much, or leave a child behind
        # that holds its end open, and we never wait for any of it. They have no name on disk.
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(lines)
            given.seek(0)
            with subprocess.Popen(  # noqa: S602 - a shell is what the operator asked for
                self._command, shell=True, stdin=given, stderr=said, start_new_session=True
            ) as process:
                self._running = process
                try:
                    status = process.wait(self._timeout_seconds)
                except subprocess.TimeoutExpired:
                    raise ServiceError(
                        f"the command has not ended within {self._timeout_seconds:g} s"
                        f"{_last_words(said)}"
                    ) from None
                finally:
                    self._kill()
                    self._running = None
            if status:
                ended = f"status {status}" if status > 0 else f"signal {-status}"
                raise ServiceError(f"the command ended with {ended}{_last_words(said)}")

    def _kill(self) -> None:
        process = self._running
        # Once it has been waited for, its number may be another's.
        if process is not None and process.returncode is None:
            if os.name == "nt":  # it has no process groups like ours
                process.kill()
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _last_words(said: IO[bytes]) -> str:
    size = os.fstat(said.fileno()).st_size
    said.seek(max(0, size - _TOLD_BYTES))
    text = said.read(_TOLD_BYTES)
    stripped = text.decode(errors="replace").strip()
    return f": {stripped}" if stripped else ""
