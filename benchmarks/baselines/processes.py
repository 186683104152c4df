"""Processes of a run: each with all its children is measured as one, and ended as one."""

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

_TICKS = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS = 15


class ProgramFailed(RuntimeError):
    """A process has ended that should not have, or keeps silent; the message has its last words."""


@dataclass(frozen=True)
class Program:
    """A process in a session of its own, which all its children belong to."""

    name: str
    process: subprocess.Popen[str]
    log: Path

    def hear(self, seconds: float) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise self._failed(f"said nothing for {seconds:g} s")
        line = self.process.stdout.readline()
        if not line:
            raise self._failed("ended")
        return line

    def say(self, line: str) -> None:
        """Hand it a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def check(self) -> None:
        """Raise if it has ended."""
        if self.process.poll() is not None:
            raise self._failed(f"ended with status {self.process.returncode}")

    def cpu_seconds(self) -> float:
        """CPU time of the whole session, in user and system; with children that have ended."""
        return sum(sum(map(int, fields[11:15])) for fields in self._session()) / _TICKS

    def stop(self) -> None:
        """End it: by the end of its input if it has one, else by SIGTERM; in the end by force."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        elif self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Children that outlive it are still in its group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()

    def _session(self) -> Iterator[list[str]]:
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = path.read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.process.pid:
                    yield fields

    def _failed(self, what: str) -> ProgramFailed:
        words = self.log.read_text(errors="replace")[-2000:]
        return ProgramFailed(f"{self.name} {what}\n{words}")


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[str | Path],
    *,
    logs: Path,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    talks: bool = False,
) -> Iterator[Program]:
    """Start a process and end it, and its children, whatever happens in between.

    One that talks is spoken to by standard input and output, and ends at the end of its input.
    """
    log = logs / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env=environment,
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talks else output,
            stderr=output,
            text=True,
            start_new_session=True,
        )
    program = Program(name, process, log)
    try:
        yield program
    finally:
        program.stop()


@contextlib.contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the stack like Ctrl-C, so that it leaves no process behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def unwind(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
