"""A child process that talks in lines, and ends at the end of its standard input."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

from statuspush.core.errors import ServiceError
from statuspush.launch import last_lines

_STOP_SECONDS: Final = 20.0


class Child:
    """``python -m MODULE ARGUMENTS`` in a separate session, so that Ctrl-C does not reach it.

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
        """Read its next line.

        Raises :class:`~statuspush.core.errors.ServiceError` when it ends, or is silent for
        that long.
        """
        out = _pipe(self.process.stdout)
        if not select.select([out], [], [], seconds)[0]:
            raise self._failed(f"said nothing for {seconds:g} s")
        if not (line := out.readline()):
            raise self._failed("ended unexpectedly")
        return line

    def say(self, line: str) -> None:
        """Send it a line."""
        pipe = _pipe(self.process.stdin)
        pipe.write(line + "\n")
        pipe.flush()

    def stop(self) -> None:
        """Let it end, and kill it if it does not; may be called twice."""
        with contextlib.suppress(BrokenPipeError):
            _pipe(self.process.stdin).close()
        try:
            self.process.wait(_STOP_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """kill -9, including the rest of its session; may be called twice."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            _pipe(self.process.stdin).close()
        _pipe(self.process.stdout).close()

    def _failed(self, what: str) -> ServiceError:
        return ServiceError(f"{self._module} {what}\n{last_lines(self._log)}")


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None, "made with pipes"
    return pipe
