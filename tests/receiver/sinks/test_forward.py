"""Reports in a POST to a URL."""

import json
import time

import httpx
import pytest

from statuspush.core.errors import ServiceError
from statuspush.receiver.sinks.forward import ForwardSink


@pytest.fixture
async def sink(target):
    sink = ForwardSink(target.url)
    await sink.open()
    yield sink
    await sink.close()


async def test_a_batch_is_one_json_array(sink, target, make_reports):
    reports = make_reports(3)
    await sink.deliver(reports)
    ((headers, body),) = target.requests
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == [report.as_dict() for report in reports]


async def test_a_repeat_has_the_same_key(sink, target, make_reports):
    await sink.deliver(make_reports(2))
    await sink.deliver(make_reports(2))
    await sink.deliver(make_reports(3))
    keys = [headers["idempotency-key"] for headers, _ in target.requests]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_means_done(sink, target, make_reports, status):
    target.status = status
    await sink.deliver(make_reports())
    assert len(target.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_any_other_answer_is_an_error_that_quotes_it(sink, target, make_reports, status):
    target.status, target.body = status, b"the disk is full, " * 1000
    with pytest.raises(ServiceError, match=f"answered {status}: the disk is full") as caught:
        await sink.deliver(make_reports())
    assert len(str(caught.value)) < 400


async def test_a_redirect_is_not_followed(sink, target, make_reports):
    target.status, target.headers = 307, {"Location": target.url + "/elsewhere"}
    with pytest.raises(ServiceError, match="answered 307"):
        await sink.deliver(make_reports())
    assert len(target.requests) == 1


async def test_a_slow_answer_is_an_error(target, make_reports):
    target.seconds = 30
    sink = ForwardSink(target.url, timeout_seconds=0.2)
    began = time.monotonic()
    with pytest.raises((ServiceError, httpx.TimeoutException)):
        await sink.deliver(make_reports())
    assert time.monotonic() - began < 5
    await sink.close()


async def test_nobody_listening_is_an_error(unused_port, make_reports):
    sink = ForwardSink(f"http://127.0.0.1:{unused_port}/")
    with pytest.raises(httpx.ConnectError):
        await sink.deliver(make_reports())
    await sink.close()


async def test_a_user_in_the_url_is_sent_and_never_told(target, make_reports):
    target.status = 500
    sink = ForwardSink(target.url.replace("//", "//user:word@"))
    with pytest.raises(ServiceError) as caught:
        await sink.deliver(make_reports())
    await sink.close()
    assert target.requests[0][0]["authorization"].startswith("Basic ")
    assert "word" not in str(caught.value)
