"""statuspush: push status reports to customers over HTTP; accepted once, never lost."""

from importlib.metadata import version

__version__ = version("statuspush")
