"""The service of the demo: the real one, as a child process with a database of its own."""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Final

import httpx

from statuspush.config.settings import PREFIX
from statuspush.core.errors import ServiceError

_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 35.0


class ChildService:
    """``statuspush serve`` in a directory; use as an async context manager.

    :param directory: for the database and ``service.log``; also the working directory, so that
        no ``statuspush.toml`` of the person's is read.
    :param port: 0 takes a free one.
    """

    def __init__(self, directory: Path, *, port: int, retry_interval: float) -> None:
        self.log = directory / "service.log"
        self.url = f"http://127.0.0.1:{port or _free_port()}"
        self.token = secrets.token_urlsafe(24)
        self._directory = directory
        self._retry_interval = retry_interval
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> "ChildService":
        # The person's own settings are for the person's own service.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        environment[f"{PREFIX}OPERATOR_TOKEN"] = self.token
        flags = {
            "--port": self.url.rpartition(":")[2],
            "--database": "sqlite:///statuspush.db",
            "--allow-targets": "127.0.0.0/8",
            "--retry-interval-seconds": f"{self._retry_interval:g}",
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 ASYNC220 - fixed words; it is quick
                [
                    *(sys.executable, "-m", "statuspush", "serve"),
                    *(word for flag in flags.items() for word in flag),
                ],
                cwd=self._directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the demo, which stops the service when it is done with it.
                start_new_session=True,
            )
        try:
            await self._ready(self._process)
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def _ready(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = monotonic() + _START_SECONDS
        async with httpx.AsyncClient(trust_env=False) as client:
            while monotonic() < deadline:
                if process.poll() is not None:
                    raise ServiceError(f"the service ended at its start:\n{self._log_end()}")
                try:
                    if (await client.get(f"{self.url}/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
        raise ServiceError(f"the service wasn't ready in {_START_SECONDS:g} s:\n{self._log_end()}")

    async def stop(self) -> int | None:
        """SIGTERM, and wait until it has drained; its exit status, None if it had to be killed."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.to_thread(process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def _log_end(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-15:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
