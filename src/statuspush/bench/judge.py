"""Names the limit of a run by what was saturated."""

from enum import StrEnum
from typing import Final

from statuspush.bench.figures import Shares

SATURATED: Final = 0.9
"""A process that uses this much of a core has none left, given the accuracy of samples."""
_MOSTLY: Final = 0.5
_NOTABLE: Final = 0.15


class Limit(StrEnum):
    """The resource of which more would have made the run faster."""

    CUSTOMER = "customer"
    """The sink's core: the service could have sent more."""
    LOAD = "load"
    """The generator's core: the service could have accepted more."""
    STORE_CORE = "store_core"
    """The core of the process that owns the store."""
    WORKER_CORES = "worker_cores"
    """The cores of the processes that accept and send."""
    ALL_CORES = "all_cores"
    """Every core of the machine."""
    DISK = "disk"
    """The time that the disk takes to make a commit durable."""
    NOTHING = "nothing"
    """Nothing was saturated: each part waited for the others in turn."""


def limit_of(shares: Shares) -> Limit:
    """Name the limit of a run.

    A process that uses a whole core and wants more is named before the machine, and the machine
    before the disk: where cores are short, disk work waits for them too.
    """
    saturated = (
        (shares.load, Limit.LOAD),
        (shares.sink, Limit.CUSTOMER),
        (shares.store, Limit.STORE_CORE),
        (shares.worker, Limit.WORKER_CORES),
        (shares.all_cores, Limit.ALL_CORES),
        (shares.store_wanted, Limit.STORE_CORE),
        (shares.worker_wanted, Limit.WORKER_CORES),
    )
    for share, limit in saturated:
        if share >= SATURATED:
            return limit
    if shares.disk >= _MOSTLY:
        return Limit.DISK
    # The store computes and waits for the disk in turn.
    if shares.store_wanted + shares.disk >= SATURATED:
        return Limit.DISK if shares.disk > shares.store_wanted else Limit.STORE_CORE
    return Limit.NOTHING


def disturbed(shares: Shares) -> bool:
    """Whether other programs, or the host, took a notable part of the machine during the run."""
    return shares.others >= _NOTABLE
