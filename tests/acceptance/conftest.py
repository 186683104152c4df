"""Fixtures of the acceptance tests: real processes, ended with the test whatever happens."""

import contextlib
import os
import sys
from pathlib import Path

import pytest

if str(Path(__file__).resolve().parents[2]) not in sys.path:  # however pytest was started
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.acceptance.harness import Customer, Service, build_shim, unavailable

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """All tests of this folder start real processes."""
    for item in items:
        if _HERE in Path(item.path).parents:
            item.add_marker(pytest.mark.acceptance)


@pytest.fixture
def closing():
    """An exit stack that ends with the test: ``closing.callback(service.stop)``."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def start_service(tmp_path, closing):
    """Start a service: ``start_service(retry_interval_seconds="2")``; it is ready on return.

    ``directory`` holds database and log (default: the test's own), ``prefix`` is a command
    that runs it, ``environment`` are further variables.
    """

    def start(directory=None, prefix=(), environment=None, **settings):
        service = Service(directory or tmp_path, settings, prefix, environment or {})
        closing.callback(service.stop)
        return service.start()

    return start


@pytest.fixture
def customer(tmp_path, closing):
    """A customer who acknowledges everything until told otherwise."""
    made = Customer(tmp_path / "customer.journal")
    closing.callback(made.close)
    return made


@pytest.fixture(scope="session")
def needs_root():
    """Skip (in CI: fail) unless root."""
    if os.geteuid() != 0:
        unavailable("needs root")


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """The compiled library of faults; skip (in CI: fail) without a compiler."""
    return build_shim(tmp_path_factory.mktemp("shim"))
