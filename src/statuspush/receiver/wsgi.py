"""The receiver as a WSGI application, for Flask, Django and servers with threads."""

import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, BinaryIO, Final, cast

from statuspush.receiver.endpoint import Answer, Endpoint
from statuspush.receiver.gate import Refused

StartResponse = Callable[[str, list[tuple[str, str]]], object]
_PART_BYTES: Final = 64 << 10


class WsgiMount:
    """Answers every path that it is given.

    :param endpoint: called on the first request.
    """

    def __init__(self, endpoint: Callable[[], Endpoint]) -> None:
        """Take where the endpoint comes from."""
        self._endpoint = endpoint

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        answer = self._answer(environ)
        status = f"{answer.status} {HTTPStatus(answer.status).phrase}"
        length = ("Content-Length", str(len(answer.body)))
        start_response(status, [*answer.headers.items(), length])
        return [answer.body]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        endpoint = self._endpoint()
        headers = {
            name[5:].replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if environ.get(name):
                headers[name.replace("_", "-").lower()] = environ[name]
        admitted = endpoint.admit(
            environ["REQUEST_METHOD"],
            environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
            environ.get("QUERY_STRING", ""),
            headers,
            environ.get("REMOTE_ADDR"),
        )
        if isinstance(admitted, Answer):
            return admitted
        try:
            body = _body(environ, endpoint)
        except Refused as refused:
            return endpoint.refuse(refused)
        return endpoint.accept(admitted, body, headers)


def _body(environ: dict[str, Any], endpoint: Endpoint) -> bytes:
    stream = cast("BinaryIO", environ["wsgi.input"])
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isascii() and length.isdigit():
        expected: int | None = int(length)
    elif environ.get("wsgi.input_terminated"):
        expected = None
    else:
        # PEP 3333: without a length nothing may be read.
        raise Refused(411, "no_length", "the request has no Content-Length")
    gate = endpoint.gate
    deadline = time.monotonic() + gate.body_seconds
    parts: list[bytes] = []
    size = 0
    while expected is None or size < expected:
        most = _PART_BYTES if expected is None else min(_PART_BYTES, expected - size)
        part = stream.read(most)
        if not part:
            break
        parts.append(part)
        size += len(part)
        gate.check_size(size)
        if time.monotonic() > deadline:
            raise Refused(408, "slow", "the body took too long to arrive")
    if expected is not None and size < expected:
        raise Refused(400, "half", "the body ended before its Content-Length")
    return b"".join(parts)
