"""The interface of a sink: where the receiver service passes reports on to."""

from collections.abc import Sequence
from typing import Protocol

from statuspush.core.kinds import Received


class Sink(Protocol):
    """Takes reports over. One call at a time; all calls are made on one event loop.

    Delivery is at least once: after a crash, or after an error, the same reports come again.
    """

    async def open(self) -> None:
        """Get ready; raises :class:`statuspush.core.errors.StatuspushError` if that fails."""

    async def deliver(self, reports: Sequence[Received]) -> None:
        """Pass all of these reports on, in order; there is at least one.

        Returns when they are safe at the other side (on disk, acknowledged, committed). Raises any
        exception if that is not certain; then all of them come again later.
        """

    async def close(self) -> None:
        """Finish what is open; nothing is delivered afterwards."""
