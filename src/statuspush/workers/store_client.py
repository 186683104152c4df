"""The store as a worker sees it: every verb is a call to the process that owns it."""

from typing import Any, cast

from statuspush.store.base import Store
from statuspush.workers.link import Link

VERBS = frozenset(
    name for name in vars(Store) if not name.startswith("_") and name not in ("open", "close")
)
"""What a worker may ask of the store."""
READS = frozenset(
    {
        "ping",
        "get_account",
        "list_accounts",
        "get_secret",
        "next_due",
        "list_pushes",
        "get_push",
        "find_reports",
        "figures",
    }
)
"""Verbs after which there can't be more to send than before."""


class _StoreClient:
    def __init__(self, link: Link) -> None:
        self._link = link

    def __getattr__(self, verb: str) -> Any:
        if verb not in VERBS:
            raise AttributeError(verb)

        def call(*args: object, **kwargs: object) -> Any:
            return self._link.call("store", verb, *args, **kwargs)

        self.__dict__[verb] = call
        return call


def store_client(link: Link) -> Store:
    """The store at the other end of a link. It raises what the store raises."""
    return cast("Store", _StoreClient(link))
