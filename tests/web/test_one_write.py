"""What uvicorn writes in pieces goes to the system in one."""

import asyncio

import pytest
import uvicorn

from statuspush.web.one_write import OneWriteProtocol


class Transport(asyncio.Transport):
    """Keeps what is written and done, in order."""

    def __init__(self):
        super().__init__()
        self.done = []

    def write(self, data):
        self.done.append(data)

    def close(self):
        self.done.append("closed")

    def is_closing(self):
        return "closed" in self.done


async def application(scope, receive, send):
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def connection():
    """A connection to a server, and what the server does with it."""
    config = uvicorn.Config(application, lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    protocol = OneWriteProtocol(config, server.server_state, {})
    transport = Transport()
    protocol.connection_made(transport)
    return protocol, transport.done


async def until(done):
    for _ in range(20):
        await asyncio.sleep(0)
        if done():
            return


async def test_an_answer_is_one_write(connection):
    protocol, done = connection
    protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: done)
    (answer,) = done
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\nok")


async def test_what_was_written_goes_out_before_the_end(connection):
    protocol, done = connection
    protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await until(lambda: len(done) > 1)
    assert done[0].endswith(b"ok")
    assert done[1] == "closed"
    assert done[2:] in ([], ["closed"])
