"""Files named on the command line; ``-`` is stdin."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from statuspush.core.errors import InputError


@contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """The file, or stdin, for reading bytes; raises InputError with the system's message."""
    if file == "-":
        # Without Python's buffer: a thread that waits for a pipe would hold the buffer's lock,
        # and the interpreter could not exit.
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stdin:
            yield cast("BinaryIO", stdin)
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    with stream:
        yield stream
