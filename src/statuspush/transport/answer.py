"""Parses the bytes of one HTTP answer after another into results; does no I/O itself.

llhttp (through httptools) does the syntax. This module adds the limits, the skipping of interim
answers, and the rules for an answer that ends early (RFC 9112 sections 6.3 and 8).
"""

from typing import Any, Final

import httptools

from statuspush.core.outcome import Answered, Cause, SendResult, Unanswered

MAX_HEAD_BYTES: Final = 32 * 1024
"""Most bytes of status line and headers, all interim answers included."""
MAX_BODY_BYTES: Final = 64 * 1024
"""Most bytes kept of the body."""
MAX_WIRE_BYTES: Final = 1024 * 1024
"""Most bytes of one answer on the wire, including chunk framing and trailers: 64 KiB in chunks of
one byte take 384 KiB."""
_KEPT_DATA_BYTES: Final = 1024
"""Longest answer kept to compare the next one with: an endpoint's answers are mostly the same
within a second, and comparing saves 2 to 3 µs of parsing."""
MAX_INTERIM: Final = 16
"""Most interim (1xx) answers before the final one."""


class AnswerReader:
    """Turns what a server sends into one :data:`~statuspush.core.outcome.SendResult` at a time.

    One reader serves one connection: :meth:`start`, then :meth:`feed` until :attr:`outcome` is
    set, or :meth:`ended` / :meth:`broken` when the connection ends first. Methods named ``on_*``
    are called by the parser.
    """

    __slots__ = (
        "_body",
        "_delimited",
        "_encoding",
        "_head_bytes",
        "_interim",
        "_last_data",
        "_last_outcome",
        "_last_seconds",
        "_parser",
        "_status",
        "_wire_bytes",
        "keep_alive",
        "keep_alive_seconds",
        "outcome",
        "surplus",
    )

    def __init__(self) -> None:
        """Make a reader; call :meth:`start` before the first answer."""
        self._parser: Any = httptools.HttpResponseParser(self)
        # Hand-written receivers may end header lines with LF alone; curl and requests accept it.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self._last_data = b""  # an answer that was whole in one read
        self._last_outcome: SendResult | None = None
        self._last_seconds: int | None = None
        self.start()

    def start(self) -> None:
        """Get ready for the next answer on the same connection."""
        self.outcome: SendResult | None = None
        """The result, once there is one."""
        self.keep_alive = False
        """Whether the server keeps the connection open after this answer."""
        self.keep_alive_seconds: int | None = None
        """N if the server said ``Keep-Alive: timeout=N``."""
        self.surplus = False
        """Whether bytes came after the answer, which makes the connection unusable."""
        self._status = 0  # of the final answer, once its head is complete
        self._body = bytearray()
        self._encoding = ""
        self._delimited = False  # by Content-Length or chunks, not by the end of the connection
        self._head_bytes = 0
        self._wire_bytes = 0
        self._interim = 0

    def feed(self, data: bytes) -> None:
        """Take bytes as they came; may set :attr:`outcome`. Never raises for their content."""
        first = not self._wire_bytes
        self._wire_bytes += len(data)
        if first and data == self._last_data:
            # The parser is a function of the bytes, and has read these on this connection before.
            self.outcome, self.keep_alive_seconds = self._last_outcome, self._last_seconds
            self.keep_alive = True
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # on_headers_complete has refused it already
            self.surplus = True
        except httptools.HttpParserError as error:
            self.surplus = True
            self._refuse(f"not a valid HTTP answer: {error}")
        if self.outcome is not None:
            if first and self.keep_alive and not self.surplus and len(data) <= _KEPT_DATA_BYTES:
                self._last_data, self._last_outcome = data, self.outcome
                self._last_seconds = self.keep_alive_seconds
            return
        if not self._status:
            # Counted here as well as per header: an endless header line reaches no callback.
            if self._wire_bytes > MAX_HEAD_BYTES:
                self._refuse(f"the head of the answer is longer than {MAX_HEAD_BYTES} bytes")
        elif self._wire_bytes > MAX_WIRE_BYTES:
            self._answer(complete=False)

    def ended(self) -> SendResult:
        """The result when the server closed the connection cleanly.

        Returns:
            The answer if its body is of the kind that the end of the connection delimits,
            otherwise ``CONNECTION_RESET``.
        """
        if self.outcome is None:
            if self._status and not self._delimited:
                self._answer(complete=True)
            else:
                self._break("the server closed the connection")
        assert self.outcome is not None
        return self.outcome

    def broken(self, words: str) -> SendResult:
        """The result when the connection broke.

        Args:
            words: what the system said.

        Returns:
            ``CONNECTION_RESET``, except when the head of a 413 had come: servers refuse a large
            body without reading it, and then their reset may cut off the body of the 413. The
            status is all that is needed, so it counts as answered, incomplete.
        """
        if self.outcome is None:
            if self._status == 413:
                self._answer(complete=False)
            else:
                self._break(words)
        assert self.outcome is not None
        return self.outcome

    def progress(self) -> str:
        """How far the answer has come, in words that follow "the connection was lost"."""
        if self._status:
            return f"inside the body of the answer (status {self._status})"
        if self._wire_bytes:
            return "inside the head of the answer"
        return "before any answer"

    def release(self) -> None:
        """Break the reference cycle with the parser; the reader is of no use afterwards."""
        self._parser = None

    # -- called by the parser --

    def on_message_begin(self) -> None:
        """The first byte of an answer; too much if the result is already there."""
        if self.outcome is not None:
            self.surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note the few headers that matter here."""
        self._head_bytes += len(name) + len(value) + 4
        # The lengths 10, 14, 16 and 17 pick the four out without lower-casing all the others.
        length = len(name)
        if length == 14:
            if name.lower() == b"content-length":
                self._delimited = True
        elif length == 17:
            if name.lower() == b"transfer-encoding":
                self._delimited = value.rstrip().lower().endswith(b"chunked")
        elif length == 10:
            if name.lower() == b"keep-alive":
                self.keep_alive_seconds = _timeout_of(value)
        elif length == 16 and name.lower() == b"content-encoding":
            text = value.decode("latin-1").strip()[:64]
            self._encoding = "" if text.lower() == "identity" else text

    def on_headers_complete(self) -> None:
        """Judge the head: interim answers are skipped, those that we cannot handle are refused."""
        if self.outcome is not None:
            return
        status: int = self._parser.get_status_code()
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(f"the head of the answer is longer than {MAX_HEAD_BYTES} bytes")
        elif self._parser.get_http_version() not in ("1.1", "1.0"):
            self._refuse(f"HTTP version {self._parser.get_http_version()} was not asked for")
        elif status == 101 or status < 100:
            self._refuse(f"status {status} does not answer a POST")
        elif status < 200:
            self._interim += 1
            self._encoding, self._delimited, self.keep_alive_seconds = "", False, None
            if self._interim > MAX_INTERIM:
                self._refuse(f"more than {MAX_INTERIM} interim answers")
        else:
            self._status = status

    def on_body(self, data: bytes) -> None:
        """Keep the body up to its limit; cut off the rest."""
        if self.outcome is not None:
            return
        self._body += data
        if len(self._body) > MAX_BODY_BYTES:
            self._answer(complete=False)

    def on_message_complete(self) -> None:
        """The end of an answer, which is the result unless it is an interim one."""
        if self._status and self.outcome is None:
            self._answer(complete=True)
            # After a 413 the server may not have read our body. If it does not skip it either, it
            # would read the body as a request, so such a connection is not reused.
            self.keep_alive = self._status != 413 and self._parser.should_keep_alive()

    # -- results --

    def _answer(self, *, complete: bool) -> None:
        self.outcome = Answered(
            self._status, bytes(self._body[:MAX_BODY_BYTES]), complete, self._encoding
        )

    def _refuse(self, words: str) -> None:
        if self.outcome is None:
            self.outcome = Unanswered(Cause.INVALID_RESPONSE, words)

    def _break(self, words: str) -> None:
        self.outcome = Unanswered(Cause.CONNECTION_RESET, f"{words} {self.progress()}")


def _timeout_of(value: bytes) -> int | None:
    """N of ``Keep-Alive: timeout=N, max=M`` (RFC 2068 section 19.7.1.1)."""
    for parameter in value.split(b","):
        key, _, number = parameter.partition(b"=")
        number = number.strip()
        if key.strip().lower() == b"timeout" and number.isdigit() and len(number) <= 9:
            return int(number)
    return None
