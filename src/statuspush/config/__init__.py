"""Every setting of the service; the table of them is :class:`Settings`.

A setting comes from the first of these that names it: a flag of ``statuspush serve``, a
``STATUSPUSH_…`` variable, a key of ``statuspush.toml`` (or of the file that ``--config`` or
``STATUSPUSH_CONFIG`` names), its default. The field ``retry_interval_seconds`` is the flag
``--retry-interval-seconds``, the variable ``STATUSPUSH_RETRY_INTERVAL_SECONDS`` and the key
``retry_interval_seconds``; so for all of them.

:func:`load` reports everything that is wrong together. A key or variable that belongs to no
setting is an error too: a misspelt one that is silently ignored shows only when it matters.
"""

from statuspush.config.load import ConfigError, Loaded, load
from statuspush.config.settings import SETTINGS, Setting, Settings

__all__ = ["SETTINGS", "ConfigError", "Loaded", "Setting", "Settings", "load"]
