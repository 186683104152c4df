"""The HTTP protocol of a worker: submissions are taken in its callbacks, the rest is uvicorn's.

Through ASGI, a submission of one report takes a scope, a task, a future, five messages and two
writes; here it takes one call and one write (docs/design.md has the figures). A submission takes
the place of uvicorn's cycle for the request, so that pipelined requests, the end of a connection
and the shutdown of the server find what they expect there.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from statuspush.store.base import Appended
from statuspush.web import body as bodies
from statuspush.web.body import Body, too_slow
from statuspush.web.problems import render
from statuspush.web.responses import problem_headers
from statuspush.web.submit import HEADERS, Admitted, SubmissionRules, accepted_body

_PATH: Final = b"/v1/reports"
_MOST_HEADS: Final = 1024
_LONGEST_HEAD: Final = 2048

RawHeaders = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class _Head:
    """The head of an earlier request."""

    headers: RawHeaders
    admitted: Admitted
    length: int
    """Bytes of the body that follows it."""


class Heads:
    """Heads of admitted submissions, by their bytes.

    A submitter's requests have the same head, apart from the length of the body. The parser is a
    function of the bytes, so a head that it has read need not be read again: that saves 10 µs per
    request.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, _Head] = {}

    def find(self, data: bytes) -> tuple[_Head, bytes] | None:
        """Head and body of a request, if ``data`` is one whole request with a known head."""
        end = data.find(b"\r\n\r\n") + 4
        head = self._known.get(data[:end])
        if head is None or len(data) - end != head.length:
            return None
        return head, data[end:]

    def learn(self, data: bytes, headers: RawHeaders, admitted: Admitted, body: bytes) -> None:
        """Remember a head. ``data`` was one whole request; the rest is what the parser found in it.

        Only a body that follows the first empty line byte for byte, as one with a Content-Length
        does, shows where the head ended for the parser.
        """
        end = data.find(b"\r\n\r\n") + 4
        if end > _LONGEST_HEAD or not data.startswith(b"POST ") or data[end:] != body:
            return
        if len(self._known) >= _MOST_HEADS:  # submitters whose heads never repeat
            self._known.clear()
        self._known[data[:end]] = _Head(headers, admitted, len(body))


class Front:
    """Makes the protocol of each connection; given to uvicorn as ``http``."""

    def __init__(self, submissions: SubmissionRules) -> None:
        self.submissions = submissions
        self.heads = Heads()
        self._common: object = None
        self._accepted_head = b""

    def __call__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> "FrontProtocol":
        """The protocol of a new connection."""
        return FrontProtocol(self, config, server_state, app_state, _loop)

    def accepted(self, appended: Appended, common: RawHeaders, *, keep_alive: bool) -> bytes:
        """The answer to an accepted submission; ``common`` are the headers of all answers."""
        if common is not self._common:  # uvicorn remakes them each second
            self._common = common
            self._accepted_head = STATUS_LINE[202] + _lines(common) + _lines(HEADERS)
        body = accepted_body(appended)
        return b"%b%bcontent-length: %d\r\n\r\n%b" % (
            self._accepted_head,
            b"" if keep_alive else b"connection: close\r\n",
            len(body),
            body,
        )


class FrontProtocol(HttpToolsProtocol):
    """A connection, of a submitter or of anybody else."""

    def __init__(
        self,
        front: Front,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        super().__init__(config, server_state, app_state, loop)
        self.front = front
        self._between_requests = True
        self._data = b""  # what began with a request and is being parsed
        self._idle_since = 0.0
        self._submission: SubmissionCycle | None = None  # if uvicorn's cycle is one of ours

    def data_received(self, data: bytes) -> None:
        """Take a whole request whose head is known; have others parsed."""
        if self._between_requests:
            if self._free() and self._take_known(data):
                return
            self._data = data
        super().data_received(data)
        self._data = b""
        if self._submission is not None:
            self._submission.wait()

    def _take_known(self, data: bytes) -> bool:
        found = self.front.heads.find(data)
        if found is None:
            return False
        head, body = found
        if not self.front.submissions.still_admits(head.admitted):
            return False
        self._begin(SubmissionCycle(self, head.headers, keep_alive=True)).take(head.admitted, body)
        return True

    def _begin(self, submission: "SubmissionCycle") -> "SubmissionCycle":
        self._submission = submission
        self.cycle = submission  # type: ignore[assignment]
        return submission

    def _free(self) -> bool:
        """Whether nothing is under way: requests are answered in order."""
        idle = self.cycle is None or self.cycle.response_complete
        return idle and not self.flow.write_paused

    # -- called by the parser --

    def on_message_begin(self) -> None:
        """A request begins."""
        self._between_requests = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Take a submission, or leave the request to uvicorn."""
        path, _, _ = self.url.partition(b"?")
        if (
            path != _PATH
            or self.parser.get_method() != b"POST"
            or self.parser.should_upgrade()
            or not self._free()
        ):
            self._submission = None
            super().on_headers_complete()
            return
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        submission = self._begin(SubmissionCycle(self, self.headers, keep_alive=keep_alive))
        submission.begin(expects_continue=self.expect_100_continue)

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        if self._submission is not None:
            self._submission.part(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._between_requests = not self.parser.should_upgrade()
        data, self._data = self._data, b""
        if self._submission is not None:
            self._submission.whole(data)
        else:
            super().on_message_complete()

    # -- the end --

    def answered(self, submission: "SubmissionCycle", answer: bytes) -> None:
        """Write the answer to a submission, and continue with the connection."""
        if not self.transport.is_closing():
            self.transport.write(answer)
            if not submission.keep_alive:
                self.transport.close()
        if self.pipeline:
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self._limit_idle(self.timeout_keep_alive)

    def _limit_idle(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle.

        A timer for each answer would take 2 µs; one for many checks what has happened since.
        """
        self.timeout_keep_alive_task = None
        if self._submission is not None and not self._submission.response_complete:
            return  # its answer starts the timer
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._limit_idle(left)
        else:
            super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; complete submissions are stored all the same."""
        super().connection_lost(exc)
        if self._submission is not None:
            self._submission.give_up_body()


class SubmissionCycle:
    """A submission under way, in the place of uvicorn's cycle of a request."""

    __slots__ = (
        "_admitted",
        "_body",
        "_connection",
        "_headers",
        "_timer",
        "disconnected",
        "keep_alive",
        "response_complete",
    )

    message_event: Final = asyncio.Event()
    """uvicorn sets it for tasks that wait for a message; here nobody does."""

    def __init__(self, connection: FrontProtocol, headers: RawHeaders, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False
        self._connection = connection
        self._headers = headers
        self._admitted: Admitted | None = None
        self._body: Body | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, *, expects_continue: bool) -> None:
        """The head has arrived."""
        submissions = self._connection.front.submissions
        try:
            self._admitted = submissions.admit(self._headers)
        except Exception as error:
            self._refuse(error)
            return
        self._body = submissions.body()
        if expects_continue:
            self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def part(self, part: bytes) -> None:
        """A part of the body has arrived."""
        if self._body is not None:
            try:
                self._body.add(part)
            except Exception as error:
                self._refuse(error)

    def wait(self) -> None:
        """The rest of the body has not arrived yet."""
        if self._body is None or self._timer is not None:
            return
        seconds = bodies.BODY_SECONDS
        self._timer = self._connection.loop.call_later(seconds, self._refuse_late)
        try:
            self._body.wait()
        except Exception as error:
            self._refuse(error)

    def whole(self, data: bytes) -> None:
        """The body has arrived; ``data``, unless empty, began with the request and holds it."""
        body, admitted = self._body, self._admitted
        if body is None or admitted is None:
            return
        self.give_up_body()
        submitted = body.whole()
        if data and self.keep_alive:
            self._connection.front.heads.learn(data, self._headers, admitted, submitted)
        self.take(admitted, submitted)

    def take(self, admitted: Admitted, body: bytes) -> None:
        """Have the reports stored."""
        try:
            self._connection.front.submissions.take(admitted, body, self._done)
        except Exception as error:
            self._refuse(error)

    def give_up_body(self) -> None:
        """Stop waiting for the body."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._body is not None:
            self._body.drop()
            self._body = None

    def _done(self, result: Appended | Exception) -> None:
        if isinstance(result, Appended):
            connection = self._connection
            common = connection.server_state.default_headers
            answer = connection.front.accepted(result, common, keep_alive=self.keep_alive)
            self.response_complete = True
            connection.answered(self, answer)
        else:
            self._refuse(result)

    def _refuse_late(self) -> None:
        self._refuse(too_slow())

    def _refuse(self, error: Exception) -> None:
        self.give_up_body()
        connection = self._connection
        status, headers, body = render(*connection.front.submissions.refusal(error, self._headers))
        lines = [*connection.server_state.default_headers, *problem_headers(headers)]
        if headers.get("Connection") == "close":
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append((b"connection", b"close"))
        self.response_complete = True
        connection.answered(self, STATUS_LINE[status] + _lines(lines) + b"\r\n" + body)


def _lines(headers: RawHeaders) -> bytes:
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])
