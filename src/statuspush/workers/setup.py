"""What a worker is told when it starts."""

from dataclasses import dataclass

from statuspush.config import Settings


@dataclass(frozen=True, slots=True)
class Setup:
    """All that a worker needs to know; it reads no settings of its own."""

    settings: Settings
    workers: int
    """How many there are; limits of the service are shared among them."""
    start_ns: int
    """Of the store process's clock, so that all tell the same time."""
    token_hash: bytes
    """The sha256 digest of the operator token."""
    trouble: str | None
    """Why the store can't be relied on now; None when it can."""
