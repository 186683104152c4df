"""Reports on the standard output, one JSON object per line."""

import asyncio
import os
import sys
from collections.abc import Sequence

from statuspush.core.kinds import Received


class StdoutSink:
    """Writes lines to the standard output; a closed pipe is an error, not a loss."""

    def __init__(self) -> None:
        """Nothing is written before :meth:`deliver`."""
        self._torn = False

    async def open(self) -> None:
        """Nothing to get ready."""

    async def deliver(self, reports: Sequence[Received]) -> None:
        """Write one line per report; returns when the operating system has taken them all."""
        text = b"".join(report.json() + b"\n" for report in reports)
        # A pipe that nobody reads blocks; the event loop must not wait for it.
        await asyncio.to_thread(self._write, text)

    async def close(self) -> None:
        """The standard output is not ours to close."""

    def _write(self, text: bytes) -> None:
        # Bypasses Python's buffer: what a failed flush leaves in it would be written at exit.
        sys.stdout.flush()
        descriptor = sys.stdout.fileno()
        rest = memoryview(b"\n" + text if self._torn else text)
        while rest:
            written = os.write(descriptor, rest)
            self._torn = rest[written - 1] != ord("\n")
            rest = rest[written:]
