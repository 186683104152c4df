"""Reports as messages: real NATS and Redis, FastStream's stand-in for RabbitMQ."""

import asyncio
import contextlib
import gc
import itertools
import re
import shutil
import sys
from unittest.mock import AsyncMock

import nats
import pytest
from faststream.rabbit import RabbitMessage
from faststream.rabbit import TestRabbitBroker as RabbitStandIn

from statuspush.core.errors import InputError, ServiceError
from statuspush.extras import install_command
from statuspush.receiver.sinks import sink_from

pytestmark = pytest.mark.xdist_group("nats")  # one server for all
_NUMBERS = itertools.count(1)


@pytest.fixture
async def client(nats_program):
    """A client of the NATS server; streams are gone afterwards."""
    client = await nats.connect(f"nats://127.0.0.1:{nats_program.port}")
    yield client
    for stream in await client.jetstream().streams_info():
        await client.jetstream().delete_stream(stream.config.name)
    await client.close()


@contextlib.asynccontextmanager
async def opened(url):
    sink = sink_from(url)
    await sink.open()
    yield sink
    await sink.close()


@pytest.fixture
def stream():
    """A name that no other test has: the server may bring back what was deleted a moment ago."""
    return f"VOICE{next(_NUMBERS)}"


@pytest.fixture
def address(nats_program, stream):
    return f"nats://127.0.0.1:{nats_program.port}/{stream}.status"


async def stored(client, stream):
    jetstream = client.jetstream()
    state = (await jetstream.stream_info(stream)).state
    return [await jetstream.get_msg(stream, number + 1) for number in range(state.messages)]


async def test_nats_a_stream_keeps_a_message_a_report(stream, client, address, make_reports):
    await client.jetstream().add_stream(name=stream, subjects=[f"{stream}.>"])
    reports = make_reports(350)
    async with opened(address) as sink:
        await sink.deliver(reports)
    messages = await stored(client, stream)
    assert [message.data for message in messages] == [report.json() for report in reports]
    assert [message.headers["sid"] for message in messages] == [report.sid for report in reports]


async def test_nats_a_stream_keeps_a_repeat_once(stream, client, address, make_reports):
    await client.jetstream().add_stream(name=stream, subjects=[f"{stream}.>"])
    async with opened(address) as sink:
        await sink.deliver(make_reports(3))
        await sink.deliver(make_reports(3, first=2))
    assert [message.headers["sid"] for message in await stored(client, stream)] == [
        "s1",
        "s2",
        "s3",
        "s4",
    ]


async def test_nats_without_a_stream_those_who_listen_get_it(stream, client, address, make_reports):
    listening = await client.subscribe(f"{stream}.status")
    await client.flush()
    (report,) = make_reports()
    async with opened(address) as sink:
        await sink.deliver([report])
        message = await listening.next_msg(5)
    assert (message.data, message.headers["sid"]) == (report.json(), "s1")


async def test_nats_a_stream_made_later_is_used(stream, client, address, make_reports):
    async with opened(address) as sink:
        await sink.deliver(make_reports())
        await client.jetstream().add_stream(name=stream, subjects=[f"{stream}.>"])
        await sink.deliver(make_reports(first=2))
    assert [message.headers["sid"] for message in await stored(client, stream)] == ["s2"]


async def test_nats_a_stream_that_has_gone_is_an_error(stream, client, address, make_reports):
    await client.jetstream().add_stream(name=stream, subjects=[f"{stream}.>"])
    async with opened(address) as sink:
        await sink.deliver(make_reports())
        await client.jetstream().delete_stream(stream)
        with pytest.raises(nats.js.errors.Error):
            await sink.deliver(make_reports(first=2))
        with pytest.raises(ServiceError, match=f'the stream "{stream}" is gone'):
            await sink.deliver(make_reports(first=2))


async def test_nats_a_stream_can_be_demanded(stream, client, address, make_reports):
    async with opened(f"{address}?stream={stream}") as sink:
        with pytest.raises(nats.js.errors.Error):
            await sink.deliver(make_reports())


async def test_nats_a_strange_sid_stays_in_its_header(stream, client, address, make_reports):
    await client.jetstream().add_stream(name=stream, subjects=[f"{stream}.>"])
    async with opened(address) as sink:
        await sink.deliver(make_reports(sid="a\r\nb 音"))
    (message,) = await stored(client, stream)
    assert message.headers["sid"] == "a%0D%0Ab%20%E9%9F%B3"


async def test_nats_it_connects_again_after_the_server_was_away(
    stream, nats_program, address, make_reports
):
    async with opened(address) as sink:
        await sink.deliver(make_reports())
        nats_program.stop()
        await asyncio.sleep(0.05)  # it would wait 5 s for an answer if it had not noticed
        for _ in range(2):
            with pytest.raises((nats.errors.Error, ServiceError, OSError)):
                await sink.deliver(make_reports(first=2))
        nats_program.start()
        client = await nats.connect(address.rpartition("/")[0])
        listening = await client.subscribe(f"{stream}.status")
        await client.flush()
        await sink.deliver(make_reports(first=2))
        assert (await listening.next_msg(5)).headers["sid"] == "s2"
        await client.close()


@pytest.mark.parametrize(
    "url",
    [
        "nats://127.0.0.1:{}/voice",
        "amqp://127.0.0.1:{}/voice",
        "redis://127.0.0.1:{}/voice",
    ],
)
async def test_nobody_listening_is_told(url, unused_port):
    with pytest.raises(ServiceError, match="cannot connect: "):
        await sink_from(url.format(unused_port)).open()


@pytest.mark.filterwarnings("ignore:Unclosed AIOKafkaProducer:ResourceWarning")
async def test_kafka_nobody_listening_is_told(unused_port):
    with pytest.raises(ServiceError, match="cannot connect: "):
        await sink_from(f"kafka://127.0.0.1:{unused_port}/voice").open()
    gc.collect()  # FastStream does not close what could not connect


@pytest.mark.parametrize("kind", ["nats", "kafka", "rabbit", "redis"])
async def test_a_missing_library_is_told_with_what_to_do(kind, monkeypatch):
    monkeypatch.setitem(sys.modules, f"faststream.{kind}", None)
    scheme = {"rabbit": "amqp"}.get(kind, kind)
    with pytest.raises(InputError, match=re.escape(install_command("brokers"))):
        await sink_from(f"{scheme}://127.0.0.1/voice").open()


async def test_kafka_the_key_is_the_sid_and_all_are_waited_for(make_reports):
    """FastStream's stand-in knows no acknowledgement that is waited for later."""
    acknowledged = [asyncio.get_running_loop().create_future() for _ in range(2)]
    broker = AsyncMock(publish=AsyncMock(side_effect=acknowledged))
    reports = make_reports(2)
    sink = sink_from("kafka://127.0.0.1:9092/voice")
    publishing = asyncio.create_task(sink._publish(broker, reports))
    acknowledged[1].set_result(None)
    await asyncio.sleep(0.01)
    assert not publishing.done()
    acknowledged[0].set_result(None)
    await publishing
    sent = [(*call.args, call.kwargs["key"]) for call in broker.publish.await_args_list]
    assert sent == [
        (reports[0].json(), "voice", b"s1"),
        (reports[1].json(), "voice", b"s2"),
    ]


async def test_rabbit_a_message_has_the_sid(make_reports):
    sink = sink_from("amqp://127.0.0.1/voice")
    broker = sink._make()
    seen = AsyncMock()

    @broker.subscriber("voice")
    async def listen(message: RabbitMessage) -> None:
        raw = message.raw_message
        await seen(message.body, raw.message_id, message.headers["sid"])

    async with RabbitStandIn(broker):
        (report,) = make_reports()
        await sink._publish(broker, [report])
    seen.assert_awaited_once_with(report.json(), "s1", "s1")


@pytest.fixture
def redis_address(run_server, unused_port, tmp_path):
    """A real Redis."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("needs redis-server")
    run_server(
        [server, "--port", str(unused_port), "--save", "", "--dir", str(tmp_path)], unused_port
    )
    return f"redis://127.0.0.1:{unused_port}"


async def test_redis_a_stream_keeps_a_message_a_report(redis_address, make_reports):
    import redis.asyncio

    reports = make_reports(3)
    async with opened(f"{redis_address}/2/voice") as sink:
        await sink.deliver(reports)
    async with redis.asyncio.Redis.from_url(f"{redis_address}/2") as client:
        entries = await client.xrange("voice")
    assert [entry[b"__data__"] for _, entry in entries] == [report.json() for report in reports]


async def test_redis_a_channel_needs_a_listener(redis_address, make_reports):
    import redis.asyncio

    async with (
        opened(f"{redis_address}/voice?kind=channel") as sink,
        redis.asyncio.Redis.from_url(redis_address) as client,
        client.pubsub() as listening,
    ):
        with pytest.raises(ServiceError, match="nobody listens"):
            await sink.deliver(make_reports())
        await listening.subscribe("voice")
        await listening.get_message(timeout=5)
        (report,) = make_reports()
        await sink.deliver([report])
        message = await listening.get_message(timeout=5)
    assert message["data"] == report.json()


async def test_a_batch_that_is_given_up_leaves_no_connection(stream, client, address, make_reports):
    await client.jetstream().add_stream(name=stream, subjects=[f"{stream}.>"])
    async with opened(address) as sink:
        task = asyncio.create_task(sink.deliver(make_reports(500)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await sink.deliver(make_reports(500))
    assert len(await stored(client, stream)) == 500
