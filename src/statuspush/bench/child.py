"""A child process that is spoken to line by line, and ends at the end of its standard input."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

from statuspush.core.errors import ServiceError

_STOP_SECONDS: Final = 20.0


class Child:
    """``python -m MODULE ARGUMENTS`` in a session of its own, so that Ctrl-C is not for it.

    :param log: where its standard error goes.
    """

    def __init__(self, module: str, *arguments: str, log: Path) -> None:
        self._module = module
        self._log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def hear(self, seconds: float) -> str:
        """Its next line.

        Raises :class:`~statuspush.core.errors.ServiceError` when it ends or says nothing so long.
        """
        out = _pipe(self.process.stdout)
        if not select.select([out], [], [], seconds)[0]:
            raise ServiceError(f"{self._module} said nothing for {seconds:g} s\n{self._last()}")
        if not (line := out.readline()):
            raise ServiceError(f"{self._module} ended too early\n{self._last()}")
        return line

    def say(self, line: str) -> None:
        """Hand it a line."""
        pipe = _pipe(self.process.stdin)
        pipe.write(line + "\n")
        pipe.flush()

    def stop(self) -> None:
        """Let it end, and make it in the end; may be called twice."""
        with contextlib.suppress(BrokenPipeError):
            _pipe(self.process.stdin).close()
        try:
            self.process.wait(_STOP_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once; may be called twice."""
        kill_session(self.process)
        with contextlib.suppress(BrokenPipeError):
            _pipe(self.process.stdin).close()
        _pipe(self.process.stdout).close()

    def _last(self) -> str:
        return last_lines(self._log)


def kill_session(process: subprocess.Popen[str]) -> None:
    """End a process and whatever is left of its session at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def last_lines(log: Path) -> str:
    """The end of a log, for the message of an error."""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None, "made with pipes"
    return pipe
