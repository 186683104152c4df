"""Optional libraries: what each extra of the package is for, and how to install it.

The base is what a customer's receiver needs. The content of the extras is in ``pyproject.toml``.
"""

import importlib.util
import json
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from statuspush.core.errors import InputError
from statuspush.core.words import Words

Extra = Literal["server", "postgresql", "brokers"]

_OF_SERVER: Final = ("fastapi", "structlog", "swagger_ui_bundle", "uvloop")
_PACKAGE: Final = "statuspush"


def require_server(command: str) -> None:
    """Raise :class:`InputError` unless the libraries that only the sender needs are installed.

    :param command: the command that needs them, as typed: ``statuspush serve``.
    """
    if sys.platform == "win32":
        raise InputError(
            Words(f"{command} does not run on Windows", f"{command} 不支持在 Windows 上运行")
        )
    if any(importlib.util.find_spec(module) is None for module in _OF_SERVER):
        raise missing("server", command)


def missing(extra: Extra, what: str) -> InputError:
    """The error that says which command installs the extra; ``what`` needs it."""
    command = install_command(extra)
    return InputError(
        Words(
            f"{what} needs libraries that are not installed: {command}",
            f"{what} 所需的库尚未安装：{command}",
        )
    )


def install_command(extra: Extra) -> str:
    """The command to type to add an extra to this installation.

    Installers record where a package was installed from: packaging.python.org, "Recording the
    Direct URL Origin of installed distributions". An installation from an index has no record.
    """
    try:
        origin = json.loads(distribution(_PACKAGE).read_text("direct_url.json") or "{}")
    except PackageNotFoundError:  # run from a source tree that is not installed
        origin = {}
    url = urlsplit(origin.get("url", ""))
    source = _PACKAGE
    if url.scheme == "file":
        source = str(Path(url2pathname(url.path)))
    flags = ["-e"] if origin.get("dir_info", {}).get("editable") else []
    return shlex.join([sys.executable, "-m", "pip", "install", *flags, f"{source}[{extra}]"])
