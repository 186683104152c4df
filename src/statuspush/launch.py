"""``statuspush serve`` and ``statuspush receive`` as child processes.

The demo, the bench, the benchmarks and the tests all run the real thing; this module starts it,
waits for it, stops it, kills it, and starts it again on the same data and port.
"""

import http.client
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Final, Self

from statuspush.config.settings import PREFIX
from statuspush.core.errors import ServiceError

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 40.0
"""Longer than a service takes to drain by default."""
DATABASE: Final = "statuspush.db"
"""Name of the database in the directory of a service, unless its settings say otherwise."""
_POLL_SECONDS: Final = 0.01
_LAST_LINES: Final = 15
_LISTENS: Final = re.compile(
    rb"^(?:statuspush is listening on|receiving at) \S+:(\d+)(?:/\S*)?\n", re.M
)
"""The line in which each command says that it listens."""


class ListeningProcess:
    """A ``statuspush`` command that listens on 127.0.0.1, in a directory.

    The directory is its working directory, so that the user's ``statuspush.toml`` is not read;
    settings in the environment are left out for the same reason. It runs in a separate session, so
    that Ctrl-C in a terminal only reaches whoever started it.

    :param arguments: the command and its flags, without ``--port``.
    :param port: 0 takes a free one, which is kept when the process is started again.
    :param prefix: a command that runs it: ``("prlimit", "--nofile=64:64")``.
    :param environment: additional variables.
    :param log: file for its standard error, and for its standard output unless ``out`` is given;
        both are appended to.
    """

    def __init__(
        self,
        directory: Path,
        arguments: Sequence[str],
        *,
        port: int = 0,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        log: str = "service.log",
        out: str | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.arguments = arguments
        self.port = port
        self.prefix = prefix
        self.environment = dict(environment or {})
        self.log_path = self.directory / log
        self.out_path = self.directory / (out or log)
        self.process: subprocess.Popen[bytes] | None = None
        self.ready_seconds = 0.0
        """From the start of the process to the first good answer of /readyz."""

    @property
    def url(self) -> str:
        """The base URL, once it has a port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id, even after it has ended."""
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def spawn(self, *flags: str) -> "subprocess.Popen[bytes]":
        """Start a process like this one, with additional flags, without waiting for anything."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        command = [*self.prefix, sys.executable, "-m", "statuspush", *self.arguments]
        with self.log_path.open("ab") as log, self.out_path.open("ab") as out:
            return subprocess.Popen(  # noqa: S603 - our own command
                [*command, "--port", str(self.port), *flags],
                cwd=self.directory,
                env={**clean, **self.variables()},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )

    def variables(self) -> dict[str, str]:
        """The variables it is started with, in addition to those of this process."""
        return self.environment

    def start(self, seconds: float = START_SECONDS) -> Self:
        """Start it and return when it is ready.

        Raises :class:`~statuspush.core.errors.ServiceError` when it ends instead or takes longer.
        """
        began = time.monotonic()
        deadline = began + seconds
        with self._opened_at_end(self.log_path) as log, self._opened_at_end(self.out_path) as out:
            self.process = self.spawn()
            said = {log: b"", out: b""}
            while (found := _search(said)) is None:
                self._wait_a_moment(deadline)
                for file in said:
                    said[file] += file.read()
        self.port = int(found[1])
        while not self._ready():
            self._wait_a_moment(deadline)
        self.ready_seconds = time.monotonic() - began
        return self

    def check(self) -> None:
        """Raise ServiceError with the end of its log if it has ended."""
        status = self._started().poll()
        if status is not None:
            raise self._failed(f"ended with status {status}")

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        self._started().send_signal(number)

    def ended(self, seconds: float = START_SECONDS) -> int:
        """Wait until it has ended; return its exit status, negative for a signal.

        Raises :class:`subprocess.TimeoutExpired`.
        """
        return self._started().wait(seconds)

    def stop(self, seconds: float = STOP_SECONDS) -> int | None:
        """SIGTERM, and wait until it has drained; its exit status, None if it had to be killed.

        May be called twice, and if the process was never started.
        """
        if self.process is None:
            return 0
        if self.running:
            self.signal(signal.SIGCONT)  # or a stopped process would never see SIGTERM
            self.signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            return self.ended(seconds)
        self.kill()
        return None

    def kill(self) -> None:
        """kill -9."""
        self._started().kill()
        self._started().wait()

    def _started(self) -> "subprocess.Popen[bytes]":
        assert self.process is not None, "it was never started"
        return self.process

    def _wait_a_moment(self, deadline: float) -> None:
        self.check()
        if time.monotonic() > deadline:
            raise self._failed("was not ready in time")
        time.sleep(_POLL_SECONDS)

    def _failed(self, what: str) -> ServiceError:
        return ServiceError(f"statuspush {self.arguments[0]} {what}\n{last_lines(self.log_path)}")

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        return False

    @staticmethod
    def _opened_at_end(path: Path) -> IO[bytes]:
        path.touch()
        file = path.open("rb")
        file.seek(0, os.SEEK_END)
        return file


class ServeProcess(ListeningProcess):
    """``statuspush serve`` with a database in its directory.

    :param settings: by name: ``{"retry_interval_seconds": "2"}``. By default the database is
        :data:`DATABASE`, the operator token is a new one, and customers on this machine are
        allowed.
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        *,
        port: int = 0,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        out: str | None = None,
    ) -> None:
        self.settings = {
            "database": f"sqlite:///{directory.resolve()}/{DATABASE}",
            "operator_token": secrets.token_urlsafe(24),
            "allow_targets": "127.0.0.0/8",
            **(settings or {}),
        }
        super().__init__(
            directory, ["serve"], port=port, prefix=prefix, environment=environment, out=out
        )

    def variables(self) -> dict[str, str]:
        """Its settings as variables, and the additional ones."""
        given = {f"{PREFIX}{name.upper()}": value for name, value in self.settings.items()}
        return {**given, **self.environment}

    @property
    def token(self) -> str:
        """Its operator token."""
        return self.settings["operator_token"]

    @property
    def database(self) -> Path:
        """The file of its database."""
        return Path(self.settings["database"].removeprefix("sqlite:///"))


def last_lines(log: Path) -> str:
    """The end of a log, for the message of an error."""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:])


def _search(said: Mapping[IO[bytes], bytes]) -> "re.Match[bytes] | None":
    return next((found for text in said.values() if (found := _LISTENS.search(text))), None)
