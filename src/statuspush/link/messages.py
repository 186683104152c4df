"""What passes between the halves: a few typed messages, a frame at a time.

Everything that one side has to say within a turn of its event loop goes out as one frame, and is
handled as one: its submissions become one append, its outcomes one recording.
"""

import pickle
from dataclasses import dataclass
from typing import Any

import msgspec

from statuspush.config import Settings
from statuspush.core.batch import Batch
from statuspush.core.errors import InputError, ServiceError
from statuspush.core.moment import Milliseconds
from statuspush.core.push_settings import PushSettings
from statuspush.store.base import ClaimedPush, Recording


class SendClaim(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A claimed push to be sent."""

    id: str
    account: str
    settings: bytes
    """Packed; empty when they are those of the account's last push to this worker."""
    fragments: bytes
    reports: int
    attempt: int
    failures: int
    token: int
    created_at: Milliseconds
    suspect: bool
    kind: str


class Call(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A call off the hot path: its number, 0 if nobody waits for the result."""

    number: int
    name: str
    arguments: bytes


class Result(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The result of the call or submission of that number, or the error that it raised."""

    number: int
    good: bool
    value: bytes


class Stored(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The submission of that number is on disk."""

    number: int
    accepted: int
    duplicates: int


class Submitted(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A submission to be stored."""

    number: int
    batch: Batch


class FromWorker(msgspec.Struct, array_like=True):
    """A frame of a worker."""

    submitted: list[Submitted] = []
    ended: list[Recording] = []
    calls: list[Call] = []
    results: list[Result] = []


class ToWorker(msgspec.Struct, array_like=True):
    """A frame for a worker."""

    sends: list[SendClaim] = []
    stored: list[Stored] = []
    refused: list[Result] = []
    """Submissions that were not stored."""
    calls: list[Call] = []
    results: list[Result] = []


@dataclass(frozen=True, slots=True)
class SetUp:
    """All that a worker needs to know; it reads no settings itself."""

    settings: Settings
    workers: int
    """How many there are; limits of the service are shared among them."""
    start_ns: int
    """Start of the deciding process's clock, so that all show the same time."""
    token_hash: bytes
    """The sha256 digest of the operator token."""
    trouble: str | None
    """Why the store can't be relied on now; None when it can."""


class Packing:
    """Packs claims for one worker: an account's settings are sent once per change."""

    def __init__(self) -> None:
        self._known: dict[str, PushSettings] = {}

    def send(self, claim: ClaimedPush) -> SendClaim:
        """The claim as it goes to the worker."""
        settings = b""
        if self._known.get(claim.account) is not claim.settings:
            self._known[claim.account] = claim.settings
            settings = pack(claim.settings)
        return SendClaim(
            claim.id,
            claim.account,
            settings,
            claim.fragments,
            claim.reports,
            claim.attempt,
            claim.failures,
            claim.token,
            claim.created_at,
            claim.suspect,
            claim.kind,
        )


class Unpacking:
    """The other side of :class:`Packing`."""

    def __init__(self) -> None:
        self._known: dict[str, PushSettings] = {}

    def claim(self, send: SendClaim) -> ClaimedPush:
        """The claim that was packed."""
        if send.settings:
            self._known[send.account] = unpack(send.settings)
        return ClaimedPush(
            send.id,
            send.account,
            send.kind,
            self._known[send.account],
            send.fragments,
            send.reports,
            send.attempt,
            send.failures,
            send.token,
            send.created_at,
            send.suspect,
        )


def pack(value: object) -> bytes:
    """A value of ours as bytes.

    Pickle is safe here: both ends are the same program, and nobody else holds the socket.
    """
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def unpack(packed: bytes) -> Any:
    """The value that was packed."""
    return pickle.loads(packed)  # noqa: S301 (see above)


def pack_error(error: Exception) -> bytes:
    """An error as bytes; one of ours arrives as it is, any other as RuntimeError with its text."""
    if not isinstance(error, InputError | ServiceError):
        error = RuntimeError(repr(error))
    # Not pickled as it is: pickle calls the class with args, and ours take other arguments.
    return pack((type(error), error.args, error.__dict__))


def unpack_error(packed: bytes) -> Exception:
    """The error that was packed."""
    kind, args, attributes = unpack(packed)
    error: Exception = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error
