"""How many of the open files that a process may have each part of the service gets."""

import resource

_OWN_FILES = 32
"""Files that are open before the first connection: the listener, the link, the loop's own."""


def raise_file_limit() -> None:
    """Thousands of endpoints are thousands of sockets; take what the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def share_of_files() -> int:
    """Descriptors of a worker for each of: good sends, suspect ones, idle connections. As many
    are left for submitters, so that a low limit makes pushing slower and shuts nobody out.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 20
    return max(4, (limit - _OWN_FILES) // 4)
