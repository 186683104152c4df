"""Facts about the receiver under ASGI and WSGI."""

import asyncio
import io
from wsgiref.validate import validator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.receiver.conftest import FORM, kept, push

from statuspush.receiver.asgi import AsgiMount
from statuspush.receiver.wsgi import WsgiMount

SLOW = 0.05


@pytest.fixture
def asgi(endpoint):
    """A client of the ASGI application with this gate."""

    def made(**gate):
        door = endpoint(**gate)
        transport = httpx.ASGITransport(AsgiMount(lambda: door))
        return httpx.AsyncClient(transport=transport, base_url="http://receiver")

    return made


async def test_a_push_over_asgi_is_kept_and_acknowledged(asgi, inbox):
    answer = await asgi().post("/voice", content=push("a"), headers=FORM)
    assert (answer.status_code, answer.text) == (200, "SUCCESS")
    assert answer.headers["content-type"].startswith("text/plain")
    assert kept(inbox) == ["a"]


async def test_it_can_be_mounted_into_an_application(endpoint, inbox):
    door = endpoint(tokens={"acme": "0123456789abcdef"})
    app = Starlette(routes=[Mount("/voice", AsgiMount(lambda: door))])
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver")
    answer = await client.post("/voice/0123456789abcdef", content=push("a"), headers=FORM)
    assert answer.text == "SUCCESS"
    assert kept(inbox, "acme") == ["a"]


async def test_a_get_is_told_that_a_push_is_a_post(asgi):
    answer = await asgi().get("/voice")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def request(messages):
    """A POST whose body arrives as these messages; None never does."""

    async def receive():
        message = messages.pop(0)
        if message is None:
            await asyncio.Event().wait()
        return message

    return receive


async def answered(door, messages, headers=()):
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/voice",
        "query_string": b"",
        "headers": [*((k.encode(), v.encode()) for k, v in FORM.items()), *headers],
        "client": None,
    }
    await AsgiMount(lambda: door)(scope, request(messages), send)
    return sent


def part(body, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_may_arrive_in_parts(endpoint, inbox):
    body = push("a", "b")
    sent = await answered(endpoint(), [part(body[:9]), part(body[9:20]), part(body[20:], False)])
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"SUCCESS")
    assert kept(inbox) == ["a", "b"]


async def test_a_body_without_a_length_is_cut_at_the_limit(endpoint):
    parts = [part(b"x" * 60) for _ in range(50)]
    sent = await answered(endpoint(max_body_bytes=100), parts)
    assert sent[0]["status"] == 413
    assert len(parts) == 48


@pytest.mark.parametrize("before", [[], [part(b"voice_status=")]])
async def test_a_body_that_drips_is_given_up(endpoint, inbox, before):
    sent = await answered(endpoint(body_seconds=SLOW), [*before, None])
    assert sent[0]["status"] == 408
    assert kept(inbox) == []


async def test_of_half_a_body_nothing_is_kept_and_nothing_answered(endpoint, inbox):
    door = endpoint()
    sent = await answered(door, [part(push("a")), {"type": "http.disconnect"}])
    assert sent == []
    assert kept(inbox) == []


def call(door, body, method="POST", **environ):
    started = []
    app = validator(WsgiMount(lambda: door))
    result = app(
        {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": "/voice",
            "SERVER_NAME": "receiver",
            "SERVER_PORT": "80",
            "QUERY_STRING": "",
            "REMOTE_ADDR": "203.0.113.7",
            "CONTENT_TYPE": FORM["content-type"],
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        | environ,
        lambda status, headers, info=None: started.append(status),
    )
    try:
        return started[0] if started else "", b"".join(result)
    finally:
        result.close()


def test_a_push_over_wsgi_is_kept_and_acknowledged(endpoint, inbox):
    _, body = call(endpoint(), push("a"))
    assert body == b"SUCCESS"
    assert kept(inbox) == ["a"]


@pytest.mark.parametrize(
    ("gate", "environ", "said"),
    [
        ({}, {"REQUEST_METHOD": "GET"}, b"POST"),
        ({"max_body_bytes": 5}, {}, b"larger than 5 bytes"),
        ({}, {"CONTENT_LENGTH": "99999"}, b"ended before"),
        ({}, {"CONTENT_LENGTH": ""}, b"no Content-Length"),
        ({"networks": ["10.0.0.0/8"]}, {}, b"may not push"),
        ({"secrets": ["whsec_" + "b2xk" * 8]}, {}, b"not signed"),
    ],
)
def test_what_wsgi_refuses_says_why(endpoint, inbox, gate, environ, said):
    _, body = call(endpoint(**gate), push("a"), **environ)
    assert said in body
    assert kept(inbox) == []


def test_wsgi_passes_the_headers_on(endpoint, inbox):
    door = endpoint(tokens={"acme": "0123456789abcdef"})
    _, body = call(door, push("a"), HTTP_AUTHORIZATION="Bearer 0123456789abcdef")
    assert body == b"SUCCESS"
    assert kept(inbox, "acme") == ["a"]
