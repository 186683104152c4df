"""The load generator sends what it was ordered, once, and tells what became of it."""

import asyncio
import json
import time

import pytest

from statuspush.bench.load_generator import LoadError, Order, generator_for
from statuspush.bench.load_process import prepared
from statuspush.core.errors import ServiceError

BUSY = b"HTTP/1.1 429 Too Many Requests\r\n%scontent-length: 2\r\n\r\n{}"


def _order(service, **given):
    words = {"accounts": ["a", "b"], "per_request": 2, "tag": "new", "connections": 3}
    return Order(port=service.port, token="token", **{**words, **given})


def _sids(service):
    return [report["sid"] for body in service.bodies for report in json.loads(body)]


async def test_it_sends_so_many_requests(service):
    """All reports once, with a time for each answer."""
    load = await generator_for(_order(service, requests=50)).run()
    assert (load.requests, load.turned_away, len(load.took)) == (50, 0, 50)
    assert len(set(_sids(service))) == len(_sids(service)) == 100
    assert load.began < load.ended
    assert min(load.took) > 0
    assert load.cpu_seconds >= 0


async def test_it_sends_for_so_long(service):
    """And waits for the answers of what was sent."""
    load = await generator_for(_order(service, seconds=0.2)).run()
    assert load.requests == len(service.bodies) > 3
    assert 0.15 < load.ended - load.began < 2


async def test_a_request_that_is_turned_away_is_sent_again(service):
    """After as long as the service says, or a moment; and counted."""
    service.script = [BUSY % b"", BUSY % b"Retry-After: 0.2\r\n"]
    began = time.perf_counter()
    load = await generator_for(_order(service, requests=2, connections=1)).run()
    assert (load.requests, load.turned_away, len(service.bodies)) == (2, 2, 4)
    assert service.bodies[0] == service.bodies[1] == service.bodies[2]
    assert time.perf_counter() - began > 0.24


async def test_an_answer_may_come_in_pieces(service):
    """As TCP likes it."""
    whole = service.accepted(b'"sid""sid"')
    service.script = [[whole[:9], whole[9:-5], whole[-5:]], [(BUSY % b"")[:40], (BUSY % b"")[40:]]]
    load = await generator_for(_order(service, requests=3, connections=1)).run()
    assert (load.requests, load.turned_away) == (3, 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 Oh\r\ncontent-length: 4\r\n\r\noops",
        b'HTTP/1.1 202 Accepted\r\ncontent-length: 29\r\n\r\n{"accepted":1,"duplicates":1}',
        b"",
    ],
)
async def test_any_other_answer_is_an_error(service, answer):
    """Also a duplicate, of which there are none, and a connection that is closed."""
    service.script = [answer]
    with pytest.raises(LoadError):
        await generator_for(_order(service, requests=5)).run()


async def test_it_sends_at_random_times(service):
    """About as many a second as ordered, each with the time at which it was sent."""
    load = await generator_for(_order(service, requests=100, rate=400.0)).run()
    assert (load.requests, len(load.sent), len(load.took)) == (100, 100, 100)
    assert load.sent == sorted(load.sent)
    assert 0.1 < load.sent[-1] - load.sent[0] < 1


async def test_it_is_a_process_that_takes_orders(service, tmp_path):
    """Made ready first, then started."""

    def order():
        with prepared(_order(service, requests=10), tmp_path) as submit:
            assert service.bodies == []
            return submit()

    load = await asyncio.to_thread(order)
    assert load.requests == len(service.bodies) == 10


async def test_what_went_wrong_in_the_process_is_told(service, tmp_path):
    """With the last words of its log."""
    service.script = [b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"]

    def order():
        with prepared(_order(service, requests=10), tmp_path) as submit:
            submit()

    with pytest.raises(ServiceError, match="503 No"):
        await asyncio.to_thread(order)
