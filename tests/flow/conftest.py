"""The real steps over the real engine, a clock turned by hand, and customers that are a script."""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field

import msgspec
import pytest
from tests.scaffolding import SHANGHAI, ManualClock, report

from statuspush.core.contract import Mode
from statuspush.core.decode import decode
from statuspush.core.kinds import KINDS, VOICE_STATUS
from statuspush.core.outcome import Answered, Cause, Unanswered
from statuspush.dispatcher.dispatcher import Dispatcher, Limits
from statuspush.link.messages import FromWorker, Packing, ToWorker
from statuspush.store.sqlite import SqliteStore
from statuspush.store.sqlite.sizes import Sizes
from statuspush.telemetry import Telemetry
from statuspush.transport import PostRequest
from statuspush.worker.accept import Accept
from statuspush.worker.send import Send
from statuspush.worker.worker import Worker

INTERVAL = 300


@dataclass(frozen=True)
class _Takes:
    seconds: float
    result: object


@dataclass(frozen=True)
class Posted:
    """What an endpoint received."""

    request: PostRequest
    at: int
    kind: object = VOICE_STATUS

    @property
    def headers(self):
        return dict((*self.request.shared_headers, *self.request.headers))

    @property
    def push(self):
        return self.headers["webhook-id"]

    @property
    def attempt(self):
        return int(self.headers["X-Push-Attempt"])

    @property
    def reports(self):
        return decode(self.request.body, self.kind)

    @property
    def sids(self):
        return [report[self.kind.unique] for report in self.reports]


class Customers:
    """All endpoints: a transport that answers from a script per URL (ACK without one).

    An entry of a script is a result, an exception to be raised, HANG, or a function of the request
    that gives one of these.
    """

    ACK = Answered(200, b"SUCCESS")
    WRONG = Answered(200, b"OK")
    TOO_LARGE = Answered(413, b"")
    SILENCE = Unanswered(Cause.TIMEOUT)
    HANG = object()
    """The endpoint takes the push and says nothing until it is released."""

    @staticmethod
    def late(seconds, result):
        """This result, after so many seconds."""
        return _Takes(seconds, result)

    def __init__(self, clock, kinds=KINDS):
        self._kinds = kinds
        self.posts: list[Posted] = []
        self.acknowledged: set[str] = set()
        """Sids of every push that was answered with ACK."""
        self.hanging: dict[str, list[asyncio.Future]] = defaultdict(list)
        self._clock = clock
        self._scripts: dict[str, list[object]] = {}

    def answer(self, who, *results):
        """What the endpoint answers, one result a push; the last one is repeated."""
        self._scripts[url_of(who)] = list(results)

    def release(self, who, result=ACK):
        """Answer everything that hangs at an endpoint."""
        for answer in self.hanging.pop(url_of(who), []):
            if not answer.done():
                answer.set_result(result)

    def to(self, who):
        """What an endpoint received, in order."""
        return [post for post in self.posts if post.request.url == url_of(who)]

    def sids(self, who):
        """The sids of each push an endpoint received."""
        return [post.sids for post in self.to(who)]

    @property
    def open(self):
        """Sends that wait for a release."""
        return sum(not answer.done() for held in self.hanging.values() for answer in held)

    def start(self, request, done):
        return asyncio.create_task(self._started(request, done))

    async def _started(self, request, done):
        try:
            result = await self.post(request)
        except Exception as error:
            result = error
        done(result)

    async def post(self, request):
        (kind,) = (k for k in self._kinds.values() if request.body.startswith(k.form_start))
        posted = Posted(request, self._clock.now(), kind)
        self.posts.append(posted)
        script = self._scripts.get(request.url, [self.ACK])
        result = script.pop(0) if len(script) > 1 else script[0]
        if callable(result):
            result = result(request)
        if isinstance(result, _Takes):
            self._clock.turn(result.seconds)
            result = result.result
        if result is self.HANG:
            held = asyncio.get_running_loop().create_future()
            self.hanging[request.url].append(held)
            result = await held
        if isinstance(result, BaseException):
            raise result
        if result == self.ACK:
            self.acknowledged.update(posted.sids)
        return result


def url_of(who):
    """The URL of an account's endpoint; a URL stays one."""
    return who if "://" in who else f"https://{who}.example/voice"


class Failing:
    """A store whose verbs can be made to fail before they do anything."""

    def __init__(self, store):
        self._store = store
        self.errors: dict[str, Exception] = {}
        self.calls: dict[str, int] = defaultdict(int)

    def __getattr__(self, name):
        verb = getattr(self._store, name)
        if not asyncio.iscoroutinefunction(verb):
            return verb

        async def call(*args, **kwargs):
            self.calls[name] += 1
            if name in self.errors:
                raise self.errors[name]
            return await verb(*args, **kwargs)

        return call


class Pipe:
    """One direction of the link, in one process: a frame goes over at the end of a loop's turn."""

    def __init__(self, kind, take):
        self._kind = kind
        self._take = take
        self._out = None

    def outgoing(self):
        if self._out is None:
            self._out = self._kind()
            asyncio.get_running_loop().call_soon(self._flush)
        return self._out

    def _flush(self):
        out, self._out = self._out, None
        self._take(msgspec.msgpack.decode(msgspec.msgpack.encode(out), type=self._kind))


class WorkerEnd:
    """The worker, as the deciding half has it."""

    def __init__(self, house):
        self._house = house
        self._packing = Packing()

    def outgoing(self):
        return self._house.to_worker.outgoing()

    def send(self, claim):
        self.outgoing().sends.append(self._packing.send(claim))

    def break_off(self):
        self._house.worker.sends.break_off()


@dataclass
class House:
    """Both halves as the service wires them, in one process and moved by hand."""

    database: object
    clock: ManualClock
    customers: Customers
    good: int = 1000
    suspect: int = 1000
    slow_seconds: float = 1.0
    max_bytes: int = 1 << 24
    sizes: Sizes = field(default_factory=lambda: Sizes(probe_seconds=0))
    kinds: object = field(default_factory=lambda: KINDS)
    losing_outcomes: bool = False
    """While set, outcomes are never recorded, as if the process died before it."""
    submitted: dict = field(default_factory=lambda: defaultdict(list))
    """All sids that were accepted, per account."""

    async def open(self):
        self.telemetry = Telemetry()
        self.engine = SqliteStore.open(
            self.database,
            self.clock.now(),
            telemetry=self.telemetry,
            sizes=self.sizes,
            kinds=self.kinds,
        )
        self.store = Failing(self.engine)
        self.to_worker = Pipe(ToWorker, lambda frame: self.worker.take(frame))  # noqa: PLW0108 (made below)
        self.to_dispatcher = Pipe(FromWorker, self._take)
        self.dispatcher = Dispatcher(
            self.store,
            self.clock,
            self.telemetry,
            Limits(
                sends=self.good,
                suspect_sends=self.suspect,
                slow_seconds=self.slow_seconds,
                retention_ms=7 * 86_400_000,
            ),
            owner="house",
        )
        self.send = send = Send(
            self.customers,
            self.clock,
            self.telemetry,
            kinds=self.kinds,
            slow_seconds=self.slow_seconds,
        )
        self.worker = Worker(send, self.clock, self.to_dispatcher.outgoing, {})
        self.accept = Accept(
            self.worker.submissions.submit,
            self.telemetry,
            tz=SHANGHAI,
            max_bytes=self.max_bytes,
        )
        await self.dispatcher.start(retry_interval_ms=None)
        self.end = WorkerEnd(self)
        self.dispatcher.join(self.end)
        return self

    def _take(self, frame):
        if self.losing_outcomes:
            self.open_sends.ended(frame.ended)
            frame.ended.clear()
        self.dispatcher.take(self.end, frame)

    @property
    def claiming(self):
        return self.dispatcher.claiming

    @property
    def recorder(self):
        return self.dispatcher.recorder

    @property
    def open_sends(self):
        return self.dispatcher.open_sends

    @property
    def housekeeping(self):
        return self.dispatcher.housekeeping

    async def close(self):
        """End as a killed process would: what is open is never recorded."""
        self.losing_outcomes = True
        await self.worker.sends.finish(0)
        await self.engine.close()
        self.losing_outcomes = False

    async def restart(self):
        """Another process on the same database."""
        await self.close()
        await self.open()

    # what people do

    async def account(self, *names, kind=VOICE_STATUS, mode=Mode.ON, **settings):
        now = self.clock.now()
        await asyncio.gather(
            *(self.engine.put_account(n, n, b"", now, kind=kind.name) for n in names)
        )
        await asyncio.gather(
            *(
                self.change(name, **{"mode": mode, "url": url_of(name), **settings})
                for name in names
            )
        )

    async def change(self, name, **settings):
        """Change settings of an account, keeping the others."""
        await self.engine.change_push(name, settings, self.clock.now())

    async def submit(self, name, count=1, **changes):
        """Submit so many new reports of an account; return their sids."""
        first = len(self.submitted[name])
        sids = [f"{name}-{number}" for number in range(first, first + count)]
        body = json.dumps([report(name, sid, **changes) for sid in sids]).encode()
        appended = await self.accept.accept(body, VOICE_STATUS, ndjson=False)
        assert appended.accepted == count
        self.submitted[name].extend(sids)
        return sids

    async def submit_each(self, *names):
        """Submit one new report of each account."""
        await asyncio.gather(*(self.submit(name) for name in names))

    # time goes on

    async def step(self):
        """One round of cutting, sending and recording; True if there was anything to do."""
        began = await self.claiming.run_once()
        await self.sent()
        recorded = await self.recorder.run_once()
        return bool(began or recorded)

    async def sent(self):
        """Wait until every open send has ended or hangs."""
        while len(self.open_sends) > self.customers.open:
            await asyncio.sleep(0)

    async def settle(self):
        """Go on until nothing is left to do at this moment."""
        while await self.step():
            pass

    async def after(self, seconds):
        """Turn the clock, then settle."""
        self.clock.turn(seconds)
        await self.settle()

    # what is known afterwards

    async def state(self, name):
        return await self.engine.get_account(name)

    async def push(self, shown):
        return await self.engine.get_push(shown)

    async def pushes(self, name):
        """The account's pushes, oldest first."""
        page = await self.engine.list_pushes(name, state=None, cursor=None, limit=10_000)
        return list(reversed(page.items))


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def customers(clock):
    return Customers(clock)


@pytest.fixture
async def houses(tmp_path, clock, customers):
    """Build houses with other numbers than the usual ones."""
    built = []

    async def build(**numbers):
        house = House(tmp_path / f"{len(built)}.db", clock, customers, **numbers)
        built.append(await house.open())
        return house

    yield build
    for house in built:
        for name in list(customers.hanging):
            customers.release(name)
        await house.close()


@pytest.fixture
async def house(houses):
    return await houses()


@pytest.fixture
def world():
    """Make a house that is not open yet, with its customers; for tests that play many games."""

    def make(folder):
        clock = ManualClock()
        customers = Customers(clock)
        return House(folder / "house.db", clock, customers), customers

    return make
