"""statuspush: push status reports to customers over HTTP; accepted once, never lost."""

__version__ = "0.1.0"
