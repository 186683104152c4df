"""The load generator's process, as seen by whoever gives the order."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

from statuspush.bench.child import Child
from statuspush.bench.load_generator import Load, Order

_READY_SECONDS: Final = 120.0
_LONGEST_SECONDS: Final = 3600.0


@contextlib.contextmanager
def prepared(order: Order, directory: Path) -> Iterator[Callable[[], Load]]:
    """Start a generator with its requests made; yields a function that submits and waits.

    :param directory: for its log.

    Both raise :class:`~statuspush.core.errors.ServiceError` when the generator fails, which it
    does when the service answers anything but 202 and 429.
    """
    child = Child("statuspush.bench.load_generator", log=directory / "load.log")

    def submit() -> Load:
        child.say("go")
        return Load(**json.loads(child.hear(_LONGEST_SECONDS)))

    try:
        child.say(json.dumps(asdict(order)))
        child.hear(_READY_SECONDS)
        yield submit
    finally:
        child.kill()  # it has answered, or nobody waits for it
