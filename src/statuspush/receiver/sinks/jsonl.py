"""Reports in files of JSON lines that are rotated by size and by day."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from statuspush.clock import Clock, SteadyClock
from statuspush.core.errors import ServiceError
from statuspush.core.kinds import Received
from statuspush.storage.locks import lock

MAX_BYTES: Final = 64 * 1024 * 1024
"""A file that has grown to this size is followed by another one."""
OPEN: Final = ".open"
"""Suffix of the file that is being written; without it a file is complete and never changes."""

_BLOCK: Final = 64 * 1024
_WINDOWS: Final = os.name == "nt"
_BINARY: Final = getattr(os, "O_BINARY", 0)
"""Otherwise Windows opens files as text."""


class JsonLinesSink:
    """Appends to ``voice-<UTC time>-<number>.jsonl.open`` and renames it when it is complete.

    A file is complete when the next batch would make it larger than the limit, when the first
    report of another day (UTC) comes, or when the sink is closed. What an earlier process left
    behind is completed at the next start, without the line that its crash cut short.
    """

    def __init__(
        self, directory: str | Path, max_bytes: int = MAX_BYTES, clock: Clock | None = None
    ) -> None:
        """Nothing is touched before :meth:`open`."""
        self._directory: Final = Path(directory).expanduser()
        self._max_bytes: Final = max_bytes
        self._clock: Final = clock or SteadyClock()
        self._file: int | None = None
        self._path = Path()
        self._day = ""
        self._size = 0

    async def open(self) -> None:
        """Make the directory and complete the files that a crash left in it."""
        try:
            await asyncio.to_thread(self._recover)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ServiceError(f"cannot write to {self._directory}: {reason}") from error

    async def deliver(self, reports: Sequence[Received]) -> None:
        """Append one line per report; returns when they are on disk."""
        text = b"".join(report.json() + b"\n" for report in reports)
        await asyncio.to_thread(self._append, text)

    async def close(self) -> None:
        """Complete the current file."""
        await asyncio.to_thread(self._complete)

    def _append(self, text: bytes) -> None:
        now = datetime.fromtimestamp(self._clock.now() / 1000, UTC)
        day = f"{now:%Y%m%d}"
        full = self._size > 0 and self._size + len(text) > self._max_bytes
        if self._file is not None and (full or day != self._day):
            self._complete()
        if self._file is None:
            self._start(now, day)
        file = self._file
        assert file is not None
        try:
            rest = memoryview(text)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        except BaseException:
            self._abandon()
            raise
        self._size += len(text)

    def _start(self, now: datetime, day: str) -> None:
        self._recover()
        for number in itertools.count(1):
            name = f"voice-{now:%Y%m%dT%H%M%SZ}-{number:04}.jsonl"
            if (self._directory / name).exists():
                continue
            self._path = self._directory / (name + OPEN)
            with contextlib.suppress(FileExistsError):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | _BINARY
                # For the owner only: reports hold telephone numbers.
                self._file = os.open(self._path, flags, 0o600)
                break
        assert self._file is not None
        self._day, self._size = day, 0
        try:
            lock(self._file)
            self._sync_directory()
        except BaseException:
            self._abandon()
            raise

    def _complete(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            self._finish(file, self._path, self._size)

    def _abandon(self) -> None:
        """Leave a file that could not be written to the next :meth:`_recover`.

        Its batch comes again as a whole, so what has been written of it is cut off here. After a
        failed fsync it is unknown what is on disk, and a second fsync would not reveal it.
        """
        file, self._file = self._file, None
        assert file is not None
        with contextlib.suppress(OSError):
            os.ftruncate(file, self._size)
        os.close(file)

    def _recover(self) -> None:
        """Complete files that no living process writes."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._directory.glob(f"voice-*.jsonl{OPEN}")):
            file = os.open(path, os.O_RDWR | _BINARY)
            try:
                lock(file)
                whole = _whole_lines(file)
                os.ftruncate(file, whole)
                os.fsync(file)
            except BlockingIOError:  # another process writes it
                os.close(file)
            except BaseException:
                os.close(file)
                raise
            else:
                self._finish(file, path, whole)

    def _finish(self, file: int, path: Path, size: int) -> None:
        """Give a complete file its name and close it; an empty one is removed."""
        if _WINDOWS:  # it can't rename an open file
            os.close(file)
        try:
            if size:
                path.rename(path.with_suffix(""))
            else:
                path.unlink()
        finally:
            if not _WINDOWS:  # its lock is held until it has its name
                os.close(file)
        self._sync_directory()

    def _sync_directory(self) -> None:
        if _WINDOWS:  # it can't sync a directory
            return
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _whole_lines(file: int) -> int:
    """Size of a file up to the end of its last complete line."""
    end = os.fstat(file).st_size
    while end:
        start = max(0, end - _BLOCK)
        os.lseek(file, start, os.SEEK_SET)
        newline = os.read(file, end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
