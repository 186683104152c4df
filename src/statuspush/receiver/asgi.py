"""The receiver as an ASGI application, to be served on its own or mounted into another one."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from statuspush.receiver.endpoint import Answer, Endpoint
from statuspush.receiver.gate import Refused

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class _Gone(Exception):
    """The sender went away before its body was complete."""


class AsgiMount:
    """Answers every path that it is given.

    :param endpoint: called on the first request, so that a mount needs no lifespan.
    """

    def __init__(self, endpoint: Callable[[], Endpoint]) -> None:
        """Take where the endpoint comes from."""
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"the receiver takes HTTP requests, not {scope['type']}")
        endpoint = self._endpoint()
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        client = scope.get("client")
        admitted = endpoint.admit(
            scope["method"],
            scope["path"],
            scope.get("query_string", b"").decode("latin-1"),
            headers,
            client[0] if client else None,
        )
        if isinstance(admitted, Answer):
            await _send(send, admitted)
            return
        try:
            body = await _body(receive, endpoint)
        except Refused as refused:
            await _send(send, endpoint.refuse(refused))
            return
        except _Gone:
            endpoint.count("gone")
            return
        await _send(send, await endpoint.accept_async(admitted, body, headers))


async def _body(receive: Receive, endpoint: Endpoint) -> bytes:
    gate = endpoint.gate
    parts: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(gate.body_seconds):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Gone
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                gate.check_size(size)
                more = message.get("more_body", False)
    except TimeoutError:
        raise Refused(408, "slow", "the body took too long to arrive") from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _send(send: Send, answer: Answer) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
