"""How a process of the service sets up the system and the interpreter."""

import contextlib
import gc
import resource
from collections.abc import Iterator

_OWN_FILES = 32
"""Files that are open before the first connection: the listener, the link, the loop's."""


def raise_file_limit() -> None:
    """Allow as many open files as the system permits: every endpoint may need a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def share_of_files() -> int:
    """Descriptors of a worker for each of: good sends, suspect ones, idle connections. As many
    are left for submitters, so that a low limit slows pushing down but shuts nobody out.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 20
    return max(4, (limit - _OWN_FILES) // 4)


@contextlib.contextmanager
def paused_garbage_collector() -> Iterator[None]:
    """Make many objects that stay: the collector would look through all of them again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def calm_garbage_collector() -> None:
    """Look for cycles seldom: what is imported stays, and hardly any cycles are made.

    With the usual threshold of 700 objects the collector takes 3 to 5% of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)
