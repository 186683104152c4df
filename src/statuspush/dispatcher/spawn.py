"""Starts a worker process. Light to import, so that this can happen before anything else."""

import socket
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spawned:
    """A process that was started, and our end of the link to it."""

    process: subprocess.Popen[bytes]
    link: socket.socket


def spawn(listener: socket.socket) -> Spawned:
    """Start a worker that will take connections from ``listener`` when it is told to.

    It ends when our end of the link is closed, and so also when we die.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        fds = (theirs.fileno(), listener.fileno())
        process = subprocess.Popen(  # noqa: S603 (our own module)
            [sys.executable, "-m", "statuspush.worker.main", *map(str, fds)],
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            process_group=0,  # a terminal's Ctrl-C is for us; we say when the workers stop
        )
    ours.setblocking(False)
    return Spawned(process, ours)
