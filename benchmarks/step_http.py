"""What taking a submission over HTTP costs before it is parsed: the service's own web room."""

import asyncio
import contextlib
import hashlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import uvicorn

from statuspush.bench.load_generator import Order
from statuspush.bench.load_process import prepared
from statuspush.bench.reports import Plan
from statuspush.clock import SteadyClock
from statuspush.core.kinds import Kind
from statuspush.link.store import RemoteStore
from statuspush.store.base import Appended
from statuspush.telemetry import Telemetry
from statuspush.web.app import create_app
from statuspush.web.dependencies import Accepted, WebDependencies
from statuspush.web.front import Front

_TOKEN = "benchmark-operator-token"


class _AcceptsAll:
    """Stands for the rest of the way: takes every submission unread."""

    def __init__(self, per_request: int) -> None:
        self._appended = Appended(per_request, 0)

    def begin(self, body: bytes, kind: Kind[Any], *, ndjson: bool, done: Accepted) -> None:
        del body, kind, ndjson
        done(self._appended)


async def measure(plan: Plan, requests: int, connections: int, folder: Path) -> float:
    """CPU seconds of this process for so many requests, sent by a process of its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        server = _server(plan.per_request)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.001)
        order = Order(
            port=listener.getsockname()[1],
            token=_TOKEN,
            accounts=list(plan.accounts),
            per_request=plan.per_request,
            tag=plan.tag,
            connections=connections,
            requests=requests,
        )
        with prepared(order, folder) as submit:
            began = time.process_time()
            await asyncio.to_thread(submit)
            spent = time.process_time() - began
        server.should_exit = True
        await serving
    return spent


def _server(per_request: int) -> uvicorn.Server:
    async def no_metrics(accept: str | None) -> tuple[bytes, str]:
        raise NotImplementedError

    async def no_test(account: object) -> Any:
        raise NotImplementedError

    token = hashlib.sha256(_TOKEN.encode()).digest()
    app = create_app(
        WebDependencies(
            store=cast("RemoteStore", None),  # submitting does not ask it
            accept=_AcceptsAll(per_request),
            test_push=no_test,
            metrics=no_metrics,
            clock=SteadyClock(),
            telemetry=Telemetry(),
            timezone=ZoneInfo("Asia/Shanghai"),
            operator_token_hash=lambda: token,
        )
    )
    server = uvicorn.Server(
        uvicorn.Config(
            cast("Any", app),
            http=Front(app.submissions),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            access_log=False,
            proxy_headers=False,
            log_config=None,
            server_header=False,
        )
    )
    server.capture_signals = _no_signals  # type: ignore[method-assign]
    return server


@contextlib.contextmanager
def _no_signals() -> Iterator[None]:
    yield
