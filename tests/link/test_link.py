"""Two processes call each other; here both ends are in one loop."""

import asyncio
import contextlib
import socket

import pytest

from statuspush.core.batch import Batch
from statuspush.core.errors import ServiceError
from statuspush.core.push_settings import PushSettings
from statuspush.core.words import Words
from statuspush.link.calls import Calls, LinkLost
from statuspush.link.frames import Link
from statuspush.link.messages import (
    FromWorker,
    Packing,
    Submitted,
    ToWorker,
    Unpacking,
)
from statuspush.store.base import (
    ClaimedPush,
    Conflict,
    StoreUnavailable,
    UnknownAccount,
)


class End:
    """One end: its link, and calls over it."""

    def __init__(self, incoming, outgoing, handlers, name, lost):
        self.link = Link(incoming, outgoing, receive=self._receive, lost=self._lost)
        self.calls = Calls(handlers, self.link.outgoing)
        self.call, self.order, self.close = self.calls.call, self.calls.order, self.link.close
        self._told = lambda: lost.append(name)

    def _receive(self, frame):
        self.calls.take(frame.calls, frame.results)

    def _lost(self):
        self.calls.lost()
        self._told()


@contextlib.asynccontextmanager
async def linked(handlers):
    """Both ends, and the names of those that were told that the other is gone."""
    loop = asyncio.get_running_loop()
    lost = []
    ours, theirs = socket.socketpair()
    there = End(FromWorker, ToWorker, handlers, "there", lost)
    here = End(ToWorker, FromWorker, {}, "here", lost)
    await loop.create_connection(lambda: there.link, sock=theirs)
    await loop.create_connection(lambda: here.link, sock=ours)
    yield here, there, lost
    here.close()
    there.close()
    for _ in range(5):
        await asyncio.sleep(0)


async def add(a, *, b):
    await asyncio.sleep(0)
    return a + b


def refuse(error):
    raise error


async def test_a_call_returns_what_the_handler_returns():
    async with linked({"double": lambda n: 2 * n}) as (here, _, _):
        assert await here.call("double", 21) == 42


async def test_a_coroutine_function_is_waited_for():
    async with linked({"add": add}) as (here, _, _):
        assert await here.call("add", 1, b=2) == 3


async def test_slow_calls_do_not_hold_up_others():
    waiting = asyncio.Event()

    async with linked({"wait": waiting.wait, "now": lambda: "now"}) as (here, _, _):
        slow = here.call("wait")
        assert await here.call("now") == "now"
        assert not slow.done()
        waiting.set()
        assert await slow


async def test_orders_arrive_in_order():
    heard = []
    async with linked({"say": heard.append, "sync": lambda: None}) as (here, _, _):
        for number in range(1000):
            here.order("say", number)
        await here.call("sync")
    assert heard == list(range(1000))


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 5_000_000])
async def test_bodies_of_any_size_go_over_unchanged(size):
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with linked({"echo": lambda data: data}) as (here, _, _):
        assert await here.call("echo", body) == body


@pytest.mark.parametrize(
    ("error", "attribute"),
    [
        (UnknownAccount("acme"), "account"),
        (Conflict(Words("no", "不")), "words"),
        (StoreUnavailable("disk full"), "args"),
    ],
)
async def test_our_errors_arrive_as_they_were_raised(error, attribute):
    async with linked({"refuse": lambda: refuse(error)}) as (here, _, _):
        with pytest.raises(type(error)) as caught:
            await here.call("refuse")
    assert str(caught.value) == str(error)
    assert getattr(caught.value, attribute) == getattr(error, attribute)


async def test_a_defect_arrives_as_an_error_with_its_text():
    async with linked({"refuse": lambda: refuse(ZeroDivisionError("oh"))}) as (here, _, _):
        with pytest.raises(RuntimeError, match=r"ZeroDivisionError.*oh"):
            await here.call("refuse")
        with pytest.raises(RuntimeError, match="nobody"):
            await here.call("nobody")


async def test_a_caller_that_gives_up_disturbs_nobody():
    async with linked({"add": add}) as (here, _, _):
        given_up = here.call("add", 1, b=1)
        given_up.cancel()
        assert await here.call("add", 1, b=2) == 3


async def test_calls_under_way_fail_when_the_other_end_goes():
    async with linked({"wait": asyncio.Event().wait}) as (here, there, lost):
        call = here.call("wait")
        await asyncio.sleep(0)
        there.close()
        with pytest.raises(LinkLost):
            await call
        assert "here" in lost


async def test_calls_after_the_end_fail_immediately():
    async with linked({}) as (here, there, _):
        there.close()
        await asyncio.sleep(0.01)
        with pytest.raises(ServiceError):
            await here.call("anything")
        here.order("anything")


async def test_what_was_said_before_closing_arrives():
    heard = []
    async with linked({"say": heard.append}) as (here, _, _):
        here.order("say", 1)
        here.close()
        await asyncio.sleep(0.01)
    assert heard == [1]


async def test_what_is_said_in_one_turn_is_one_frame():
    frames = []
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    there = Link(FromWorker, ToWorker, receive=frames.append, lost=lambda: None)
    here = Link(ToWorker, FromWorker, receive=lambda frame: None, lost=lambda: None)
    await loop.create_connection(lambda: there, sock=theirs)
    await loop.create_connection(lambda: here, sock=ours)
    batch = Batch("voice_status", ["acme"], [1], [b"report"], bytes(24))
    for number in range(3):
        here.outgoing().submitted.append(Submitted(number, batch))
    await asyncio.sleep(0.01)
    assert frames == [FromWorker([Submitted(number, batch) for number in range(3)])]
    here.close()
    there.close()
    await asyncio.sleep(0.01)


async def test_a_claim_arrives_as_it_was():
    settings = PushSettings(url="https://customer.example/", headers=(("X-A", "1"),))
    claim = ClaimedPush("psh_1", "acme", "voice_status", settings, b"report", 1, 2, 1, 7, 5, True)
    assert Unpacking().claim(Packing().send(claim)) == claim


async def test_changed_settings_go_with_the_next_claim():
    packing = Packing()
    old, new = PushSettings(url="https://old.example/"), PushSettings(url="https://new.example/")
    claims = [
        ClaimedPush("psh_1", "acme", "voice_status", s, b"report", 1, 1, 0, 7, 5)
        for s in (old, new)
    ]
    unpacking = Unpacking()
    sent = [unpacking.claim(packing.send(claim)) for claim in [*claims, claims[1]]]
    assert [claim.settings for claim in sent] == [old, new, new]
