"""The store as a worker sees it: every verb is a call to the process that owns it."""

from collections.abc import Coroutine
from typing import Any, Protocol, cast

from statuspush.core.errors import ServiceError
from statuspush.link.calls import Calls
from statuspush.store import contracts


class RemoteStore(
    contracts.Accounts,
    contracts.Redriving,
    contracts.Lookups,
    contracts.Pull,
    Protocol,
):
    """What a worker needs from the store, besides storing submissions."""

    async def ping(self) -> None:
        """See :class:`~statuspush.store.contracts.Upkeep`."""
        ...


_VERBS = frozenset(
    name
    for contract in RemoteStore.__mro__
    for name in vars(contract)
    if not name.startswith("_") and callable(getattr(contract, name))
)


class _Remote:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def __getattr__(self, verb: str) -> Any:
        if verb not in _VERBS:
            raise AttributeError(verb)

        def call(*args: object, **kwargs: object) -> Any:
            return self._calls.call("store", verb, *args, **kwargs)

        self.__dict__[verb] = call
        return call


def remote_store(calls: Calls) -> RemoteStore:
    """The store at the other end of a link. It raises what the store raises."""
    return cast("RemoteStore", _Remote(calls))


def serve(store: RemoteStore, verb: str, *args: object, **kwargs: object) -> Any:
    """Run a verb that a worker asked for."""
    if verb not in _VERBS:
        raise ServiceError(f"the store has no verb {verb}")
    work: Coroutine[Any, Any, object] = getattr(store, verb)(*args, **kwargs)
    return work
