"""What holds for every test, however pytest was started."""

import signal

import pytest
from hypothesis import HealthCheck, settings

# A busy machine must not make property tests fail.
settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any")


def pytest_configure():
    """Ctrl-C as a terminal has it, here and in the processes that tests start.

    A shell that runs pytest in the background has it ignored, and what is ignored is inherited.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """The long tests first, so that workers in parallel end at the same time."""
    items.sort(key=lambda item: item.get_closest_marker("acceptance") is None)
