"""From the text of a flag or variable, or the value of a key, to the value of a setting.

A flag or variable is always text; a key of the file may also be a number or a list. Each parser
raises ValueError with words that follow the name of the setting ("STATUSPUSH_PORT must be …").
They repeat the wrong value only where it can't hold a password.
"""

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from math import isfinite
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

Network = IPv4Network | IPv6Network
Parser = Callable[[object], Any]

MIB: Final = 1024 * 1024


def text(raw: object) -> str:
    """A text without white space around it; errors never repeat it, so secrets may be parsed."""
    if not isinstance(raw, str):
        raise ValueError(f"must be a text, not of type {type(raw).__name__}")
    if not raw.strip():
        raise ValueError("is empty")
    return raw.strip()


def optional(parse: Parser) -> Parser:
    """Empty text means none, so that a variable can undo a key of the file."""
    return lambda raw: None if raw == "" else parse(raw)


def integer(least: int, most: int) -> Parser:
    """An integer between the two, each included."""

    def parse(raw: object) -> int:
        wanted = f"must be an integer from {least} to {most}, not {raw!r}"
        if isinstance(raw, str) and raw.strip().isascii() and raw.strip().isdigit():
            raw = int(raw.strip()[:20])
        if not isinstance(raw, int) or isinstance(raw, bool) or not least <= raw <= most:
            raise ValueError(wanted)
        return raw

    return parse


def number(least: float, most: float, unit: str) -> Parser:
    """A finite number between the two, each included; ``unit`` is a plural for the message."""

    def parse(raw: object) -> float:
        wanted = f"must be a number of {unit} from {least:g} to {most:g}, not {raw!r}"
        if isinstance(raw, bool) or not isinstance(raw, str | int | float):
            raise ValueError(wanted)
        try:
            value = float(raw)
        except (ValueError, OverflowError):
            raise ValueError(wanted) from None
        if not (isfinite(value) and least <= value <= most):
            raise ValueError(wanted)
        return value

    return parse


def size(least: int) -> Parser:
    """A number of bytes; a text may carry the unit KiB, MiB or GiB."""
    units = {"KIB": 1024, "MIB": MIB, "GIB": 1024 * MIB}

    def parse(raw: object) -> int:
        text = str(raw).strip().upper()
        factor = 1
        if text[-3:] in units:
            text, factor = text[:-3].strip(), units[text[-3:]]
        if isinstance(raw, bool) or not (text.isascii() and text.isdigit() and len(text) < 20):
            raise ValueError(f'must be a number of bytes, such as 67108864 or "64MiB", not {raw!r}')
        if int(text) * factor < least:
            raise ValueError(f"must be at least {least // MIB}MiB")
        return int(text) * factor

    return parse


def word(*words: str) -> Parser:
    """One of the words, in upper or lower case; the value is in lower case."""

    def parse(raw: object) -> str:
        if not isinstance(raw, str) or raw.strip().lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}, not {raw!r}")
        return raw.strip().lower()

    return parse


def host(raw: object) -> str:
    """An address or name to listen on, without port; brackets around IPv6 are removed."""
    name = text(raw).removeprefix("[").removesuffix("]")
    if "/" in name or any(c.isspace() for c in name) or name.count(":") == 1:
        raise ValueError(f"must be a bare address or name, such as 127.0.0.1 or ::, not {raw!r}")
    return name


def database(raw: object) -> str:
    """A URL ``sqlite:///FILE``; the engine opens and checks the file itself."""
    url = text(raw)
    scheme, separator, rest = url.partition("://")
    if separator and scheme.lower().startswith(("postgres", "postgresql")):
        raise ValueError("names PostgreSQL, which comes later; this version stores in SQLite")
    if scheme != "sqlite" or not rest.startswith("/"):
        # Only the scheme is repeated: the rest of an unknown URL may hold a password.
        raise ValueError(
            "must be sqlite:///FILE (below the working directory) or sqlite:////FILE (from the"
            + (f" root); {scheme!r} is not an engine of this version" if separator else " root)")
        )
    path = rest.removeprefix("/")
    if path in ("", "/", ":memory:"):
        raise ValueError("must name a file: without one nothing survives a restart")
    if "?" in path or "#" in path or "\0" in path:
        raise ValueError("takes a file and no parameters (no '?' or '#')")
    return url


def token(raw: object) -> str:
    """A token for ``Authorization: Bearer``."""
    bearer = text(raw)
    if len(bearer) < 16:
        raise ValueError("must have at least 16 characters, or it can be guessed")
    if not all("!" <= c <= "~" for c in bearer):
        raise ValueError("must be visible ASCII without spaces, as it travels in a header")
    return bearer


def networks(raw: object) -> tuple[Network, ...]:
    """Networks separated by commas, or a list of them; a single address is a network of one."""
    parts = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError(f'must be networks such as "10.0.0.0/8, fd00::/8", not {raw!r}')
    found: list[Network] = []
    for part in filter(None, (part.strip() for part in parts)):
        try:
            found.append(ip_network(part))
        except ValueError as error:
            # ipaddress's own messages, such as "10.0.0.1/8 has host bits set", are clear.
            raise ValueError(f"holds a wrong network: {error}") from None
    return tuple(found)


def timezone(raw: object) -> ZoneInfo:
    """A zone of the IANA database."""
    name = text(raw)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"must be a name of the IANA time zones, such as Asia/Shanghai or UTC, not {raw!r}"
        ) from None


def proxy(raw: object) -> str:
    """An HTTP proxy, with optional user and password."""
    url = text(raw)
    try:
        parts = urlsplit(url)
        good = parts.scheme == "http" and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must look like http://[USER:PASSWORD@]HOST:PORT")
    return url


def file(raw: object) -> Path:
    """An existing file; whoever reads it checks its content."""
    path = Path(text(raw))
    if not path.is_file():
        raise ValueError(f"must name a file; there is none at {str(path)!r}")
    return path
