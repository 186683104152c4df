"""Lookups: shared, kept for a while, and none held up by another that hangs."""

import asyncio
import socket
import threading
from ipaddress import ip_address

import pytest

from statuspush.core.outcome import Cause, Unanswered
from statuspush.transport import SystemResolver


def entries(*addresses: str):
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in addresses]


class Names:
    """Stands in for getaddrinfo: hosts that begin with ``hung`` wait until released."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.release = threading.Event()

    def __call__(self, host, port, **_):
        self.asked.append(host)
        if host.startswith("hung"):
            self.release.wait(10)
        if host.startswith("none"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host.startswith("odd"):
            raise UnicodeError("label too long")
        return entries("192.0.2.1", "192.0.2.2", "192.0.2.1")


@pytest.fixture
def names(monkeypatch):
    """Replace the system's lookup."""
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.release.set()


TWO = [ip_address("192.0.2.1"), ip_address("192.0.2.2")]


async def test_order_is_kept_and_repeats_dropped(names):
    """The addresses come as the system orders them, each once."""
    assert await SystemResolver().resolve("a.example", 80) == TWO


async def test_one_lookup_for_all_who_ask_at_once(names):
    """A thousand sends to one host make one lookup."""
    resolver = SystemResolver()
    answers = await asyncio.gather(*(resolver.resolve("a.example", 80) for _ in range(1000)))
    assert answers == [TWO] * 1000
    assert names.asked == ["a.example"]
    assert await resolver.resolve("a.example", 80) == TWO
    assert names.asked == ["a.example"]


async def test_answers_expire(names):
    """After its time an answer is asked for again."""
    resolver = SystemResolver(ttl_seconds=0)
    await resolver.resolve("a.example", 80)
    await resolver.resolve("a.example", 80)
    assert names.asked == ["a.example"] * 2


@pytest.mark.parametrize("host", ["none.example", "odd.example"])
async def test_failures_are_raised_and_not_kept(names, host):
    """Each send asks again; each caller gets an error of its own."""
    resolver = SystemResolver()
    both = await asyncio.gather(
        resolver.resolve(host, 80), resolver.resolve(host, 80), return_exceptions=True
    )
    assert all(isinstance(each, OSError) for each in both)
    assert both[0] is not both[1]
    with pytest.raises(OSError, match=r".*"):
        await resolver.resolve(host, 80)
    assert len(names.asked) == 2


async def test_hung_lookups_leave_threads_for_others(names):
    """One hung host holds one thread, however many sends wait for it."""
    resolver = SystemResolver(max_threads=2)
    hung = [asyncio.create_task(resolver.resolve("hung.example", 80)) for _ in range(50)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(resolver.resolve("a.example", 80), 2) == TWO
    for task in hung:
        task.cancel()
    await asyncio.gather(*hung, return_exceptions=True)


async def test_queued_lookups_that_nobody_waits_for_are_dropped(names):
    """A queue behind hung lookups does not ask for those who have given up."""
    resolver = SystemResolver(max_threads=1)
    hung = asyncio.create_task(resolver.resolve("hung.example", 80))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(resolver.resolve("b.example", 80), 0.02)
    names.release.set()
    assert await hung == TWO
    assert await resolver.resolve("c.example", 80) == TWO
    assert names.asked == ["hung.example", "c.example"]


async def test_hung_lookup_ends_at_the_limit(names, make_transport, request_for):
    """A send does not wait longer for its lookup than for its connection."""
    transport = make_transport(resolver=SystemResolver())
    result = await transport.post(request_for("http://hung.example/", connect_seconds=0.05))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.DNS_FAILED


async def test_name_without_address(names, make_transport, request_for):
    """An unknown name is a DNS failure in the system's words."""
    transport = make_transport(resolver=SystemResolver())
    result = await transport.post(request_for("http://none.example/"))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.DNS_FAILED
    assert "Name or service not known" in result.detail


async def test_empty_answer(make_transport, fake_resolver, request_for):
    """A resolver that finds nothing is a DNS failure as well."""
    transport = make_transport(resolver=fake_resolver([]))
    result = await transport.post(request_for("http://a.example/"))
    assert isinstance(result, Unanswered)
    assert result.cause is Cause.DNS_FAILED


async def test_no_thread_left(names, monkeypatch):
    """When the process cannot start a thread, the lookup fails instead of hanging."""

    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(OSError, match="thread"):
        await SystemResolver().resolve("a.example", 80)
