"""What both publishers share: orders from a file, a start signal, and figures at the end.

The orders are read before the signal, so that only enqueueing is measured. The talk is by
standard input and output: ``ready``, an empty line from the runner, then the figures as JSON.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Order = tuple[str, dict[str, Any]]


def orders() -> list[Order]:
    """URL and report of each task to enqueue, from the file named on the command line."""
    with Path(sys.argv[1]).open() as lines:
        return [(url, report) for url, report in map(json.loads, lines)]


@contextmanager
def measured() -> Iterator[None]:
    """Wait for the signal, measure the body, print the figures."""
    print("ready", flush=True)
    sys.stdin.readline()
    began, cpu = time.time(), time.process_time()
    yield
    figures = {"began": began, "ended": time.time(), "cpu": time.process_time() - cpu}
    print(json.dumps(figures), flush=True)
