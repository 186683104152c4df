"""The request of a push, as the contract describes it: URL, headers, body and limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from statuspush.core.contract import PUSH_HEADERS
from statuspush.core.signature import sign


@dataclass(slots=True)  # frozen would take 1 µs more to make
class PostRequest:
    """What to send, where to, and within what time."""

    url: str
    """The customer's URL."""
    headers: Sequence[tuple[str, str]]
    """Headers in order, complete apart from Host, Content-Length, Connection, User-Agent and
    Accept-Encoding, which the transport writes itself and refuses here."""
    body: bytes = field(repr=False)
    """The body as it goes over the wire."""
    shared_headers: tuple[tuple[str, str], ...] = ()
    """Headers that go out before :attr:`headers` and are the same for many requests: they are
    checked and encoded once, which saves 1 µs per request."""
    connect_seconds: float = 5.0
    """Limit on lookup, connect, tunnel and TLS together, in seconds."""
    timeout_seconds: float = 15.0
    """Limit on everything, from the start of the request to the last byte of the answer, in
    seconds."""


def push_request(
    url: str,
    body: bytes,
    *,
    push: str,
    attempt: int,
    signed_at: int,
    secret: str | None = None,
    extra_headers: Sequence[tuple[str, str]] = (),
    connect_seconds: float = 5.0,
    timeout_seconds: float = 15.0,
) -> PostRequest:
    """The POST of a push (contract section 2), with the additional headers (section 5).

    ``body`` is what :func:`statuspush.core.wire.body` made. ``push`` becomes ``webhook-id`` and
    ``attempt``, from 1, ``X-Push-Attempt``. With a ``secret`` the request is signed as of
    ``signed_at``, in seconds since the epoch by the wall clock: receivers compare it with theirs
    and refuse what is minutes off. Raises :class:`~statuspush.core.signature.InvalidSecret`.
    """
    headers = [("webhook-id", push), ("X-Push-Attempt", str(attempt))]
    if secret is not None:
        headers.append(("webhook-timestamp", str(signed_at)))
        headers.append(("webhook-signature", sign(secret, push, signed_at, body)))
    return PostRequest(
        url,
        headers,
        body,
        (*PUSH_HEADERS, *extra_headers),
        connect_seconds,
        timeout_seconds,
    )
