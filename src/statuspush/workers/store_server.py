"""The store's end of the link: runs the verbs that workers ask for."""

from collections.abc import Callable, Coroutine
from typing import Any

from statuspush.core.errors import ServiceError
from statuspush.store.base import Store
from statuspush.workers.store_client import READS, VERBS


class StoreServer:
    """Answers :func:`~statuspush.workers.store_client.store_client`.

    :param wake: called after a verb that may have given sending something to do.
    """

    def __init__(self, store: Store, wake: Callable[[], None]) -> None:
        self._store = store
        self._wake = wake

    def call(self, verb: str, *args: object, **kwargs: object) -> Coroutine[Any, Any, object]:
        """Run a verb; returns or raises what it does."""
        if verb not in VERBS:
            raise ServiceError(f"the store has no verb {verb}")
        work: Coroutine[Any, Any, object] = getattr(self._store, verb)(*args, **kwargs)
        return work if verb in READS else self._then_wake(work)

    async def _then_wake(self, work: Coroutine[Any, Any, object]) -> object:
        result = await work
        self._wake()
        return result
