"""The application over a real store in a temporary file, with a clock turned by hand."""

import asyncio
import contextlib
import hashlib
import queue
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import httpx
import pytest
import uvicorn
from tests.scaffolding import SHANGHAI, ManualClock
from tests.scaffolding import report as submitted

from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.lifecycle import decide
from statuspush.core.outcome import Outcome, Tested, Verdict
from statuspush.core.push import Attempt
from statuspush.dispatcher.health import HealthWatch
from statuspush.link.calls import Calls
from statuspush.link.frames import Link
from statuspush.link.messages import FromWorker, ToWorker
from statuspush.link.store import remote_store, serve
from statuspush.store.base import Account, ClaimedPush, Recording
from statuspush.store.sqlite import SqliteStore
from statuspush.telemetry import Telemetry
from statuspush.web.app import WebDependencies, create_app
from statuspush.web.front import Front
from statuspush.worker.accept import Accept

TOKEN = "a-token-of-the-operator"


@dataclass
class Outside:
    """What the rest of the house would tell the application, and what it was told."""

    draining: bool = False
    not_ready: str | None = None
    woken: int = 0
    tested: list[Account] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    """Test pushes wait for it; it is set unless a test clears it."""
    verdict: Tested = field(
        default_factory=lambda: Tested(
            verdict=Verdict(Outcome.WRONG_ANSWER, 200, b'"SUCCESS"'),
            duration_ms=12,
            reports=2,
            body_bytes=900,
        )
    )

    def __post_init__(self):
        self.let_go.set()

    def wake(self):
        self.woken += 1

    async def send_samples(self, account):
        self.tested.append(account)
        await self.let_go.wait()
        return self.verdict


@pytest.fixture(scope="session")
def token():
    return TOKEN


@pytest.fixture(scope="session")
def report():
    """A report as submitted; change what the test is about."""
    return submitted


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def outside():
    return Outside()


@pytest.fixture
def telemetry():
    return Telemetry()


@pytest.fixture
async def store(tmp_path, clock, telemetry):
    store = SqliteStore.open(tmp_path / "statuspush.db", clock.now(), telemetry=telemetry)
    yield store
    await store.close()


@contextlib.asynccontextmanager
async def over_link(store):
    """The store as a worker sees it: at the other end of a link."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    there = Link(FromWorker, ToWorker, receive=lambda frame: serving.take(*_of(frame)), lost=_quiet)
    here = Link(ToWorker, FromWorker, receive=lambda frame: calls.take(*_of(frame)), lost=_quiet)
    serving = Calls({"store": partial(serve, store)}, there.outgoing)
    calls = Calls({}, here.outgoing)
    await loop.create_connection(lambda: there, sock=theirs)
    await loop.create_connection(lambda: here, sock=ours)
    yield remote_store(calls)
    here.close()
    there.close()
    await asyncio.sleep(0.001)


def _of(frame):
    return frame.calls, frame.results


def _quiet():
    pass


def submitting(store, clock):
    """What submits a batch to a store in the same process."""
    tasks = set()

    def submit(batch, done):
        async def append():
            try:
                (result,) = await store.append_reports([batch], clock.now())
            except Exception as error:
                result = error
            done(result)

        task = asyncio.create_task(append())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return submit


@pytest.fixture(scope="session")
def build_deps():
    """What the application needs, around a store."""

    def build(store, engine, clock, telemetry, outside):
        watch = HealthWatch(engine, clock, telemetry, [], changed=lambda trouble: None)

        async def metrics(accept):
            await watch.refresh()
            return telemetry.exposition(accept)

        return WebDependencies(
            store=store,
            accept=Accept(submitting(engine, clock), telemetry, tz=SHANGHAI, max_bytes=64 * 2**20),
            test_push=outside.send_samples,
            metrics=metrics,
            clock=clock,
            telemetry=telemetry,
            timezone=SHANGHAI,
            operator_token_hash=lambda: hashlib.sha256(TOKEN.encode()).digest(),
            not_ready=lambda: outside.not_ready,
            draining=lambda: outside.draining,
        )

    return build


@pytest.fixture
async def deps(build_deps, store, clock, telemetry, outside):
    store.listen(outside.wake)
    async with over_link(store) as linked:
        yield build_deps(linked, store, clock, telemetry, outside)


@pytest.fixture(scope="module")
def live_server(tmp_path_factory, build_deps):
    """The URL of a server with a socket and a store of its own, in a thread."""
    started = queue.Queue()

    async def serve():
        clock, telemetry = ManualClock(), Telemetry()
        path = tmp_path_factory.mktemp("server") / "statuspush.db"
        store = SqliteStore.open(path, clock.now(), telemetry=telemetry)
        app = create_app(build_deps(store, store, clock, telemetry, Outside()))
        server = uvicorn.Server(
            uvicorn.Config(
                app, http=Front(app.submissions), port=0, log_config=None, lifespan="off"
            )
        )
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        started.put((server, server.servers[0].sockets[0].getsockname()[1]))
        await serving
        await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    server, port = started.get(timeout=10)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.fixture
def client_of():
    """A client of an application of other dependencies; ``token`` may be None."""

    def make(deps, token=TOKEN):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(deps)),
            base_url="http://statuspush.test",
            headers=headers,
        )

    return make


@pytest.fixture
async def client(deps, client_of):
    """A client with the operator's token."""
    async with client_of(deps) as client:
        yield client


@pytest.fixture
async def stranger(deps, client_of):
    """A client without token."""
    async with client_of(deps, token=None) as client:
        yield client


class Customer:
    """Claims pushes and records outcomes, as the flow does around a customer's endpoint."""

    def __init__(self, store, clock):
        self._store = store
        self._clock = clock

    async def claim(self) -> Sequence[ClaimedPush]:
        return await self._store.claim_pushes(
            self._clock.now(), limit=100, suspect_limit=100, lease_ms=60_000, owner="test"
        )

    async def answer(self, outcome, *, status=200, answer=b"SUCCESS", detail="") -> list[str]:
        """Claim all that is due and answer so; the ids of the pushes."""
        pushes = await self.claim()
        now = self._clock.now()
        await self._store.record_outcomes(
            [
                Recording(
                    push.id,
                    push.token,
                    Attempt(
                        push.attempt,
                        now,
                        7,
                        Verdict(outcome, status, answer, detail),
                        reports=push.reports,
                    ),
                    decide(
                        outcome,
                        failures=push.failures,
                        reports=push.reports,
                        ended_at=now,
                        retry_interval_ms=300_000,
                        kind=VOICE_STATUS,
                    ),
                )
                for push in pushes
            ],
            now,
        )
        return [push.id for push in pushes]

    async def exhaust(self) -> list[str]:
        """Fail four times, five minutes apart."""
        ids = []
        for _ in range(4):
            ids = await self.answer(Outcome.HTTP_ERROR, status=500, answer=b"oops")
            self._clock.turn(seconds=300)
        return ids


@pytest.fixture
def customer(store, clock):
    return Customer(store, clock)


@pytest.fixture
async def acme(client):
    """An account whose push is on."""
    created = await client.put("/v1/accounts/acme", json={"name": "ACME"})
    assert created.status_code == 201
    changed = await client.patch(
        "/v1/accounts/acme/push", json={"mode": "on", "url": "https://customer.example/status"}
    )
    assert changed.status_code == 200
    return "acme"


@pytest.fixture
def submit(client):
    """Submit so many reports of an account, with sids from ``first`` on."""

    async def submit(count=1, *, account="acme", first=1, **changes):
        reports = [submitted(account, f"sid-{first + i}", **changes) for i in range(count)]
        answer = await client.post("/v1/reports", json=reports)
        assert answer.status_code == 202, answer.text
        return answer

    return submit
