"""Settings from flags, variables, file and defaults; all mistakes are reported together."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from statuspush.config.settings import PREFIX, SETTINGS, Settings
from statuspush.core.errors import InputError

FILE_NAME: Final = "statuspush.toml"

TOOL_VARIABLES: Final[Mapping[str, str]] = {
    "STATUSPUSH_CONFIG": "path of the settings file, instead of statuspush.toml",
    "STATUSPUSH_URL": "where the commands that talk to a running service find it",
    "STATUSPUSH_TOKEN": "the token those commands send",
    "STATUSPUSH_VENV": "where ./dev keeps the virtual environment",
    "STATUSPUSH_PYTHON": "which Python ./dev makes it with",
}
"""Variables with our prefix that are not settings of the service, and what they are for."""


class ConfigError(InputError):
    """The settings can't be used; ``problems`` holds every reason, one line each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        if len(problems) == 1:
            super().__init__(problems[0])
        else:
            lines = "".join(f"\n  {problem}" for problem in problems)
            super().__init__(f"{len(problems)} settings are wrong:{lines}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and where each came from."""

    settings: Settings
    origins: Mapping[str, str]
    """By name: ``flag --port``, ``environment STATUSPUSH_PORT``, ``statuspush.toml:port`` or
    ``default``."""

    def shown(self) -> dict[str, Any]:
        """Every value by name as JSON knows it, secrets masked."""
        return {s.name: s.show(getattr(self.settings, s.name)) for s in SETTINGS.values()}

    def warnings(self) -> tuple[str, ...]:
        """See :meth:`Settings.warnings`."""
        return self.settings.warnings()


def load(
    flags: Mapping[str, object], environ: Mapping[str, str], toml_path: Path | None = None
) -> Loaded:
    """Settings from all four sources; the first that names a setting wins.

    ``flags`` maps names of settings to texts; None stands for a flag that was not given.
    ``toml_path`` is the file of ``--config``; without it STATUSPUSH_CONFIG names the file, else
    ``statuspush.toml`` in the working directory is read if it exists. Raises
    :class:`ConfigError` with everything that is wrong, including values that a flag overrides.
    """
    if strangers := flags.keys() - SETTINGS.keys():
        raise TypeError(f"no settings: {strangers}")
    problems: list[str] = []
    named = toml_path or (
        Path(environ["STATUSPUSH_CONFIG"]) if environ.get("STATUSPUSH_CONFIG") else None
    )
    keys = _read_file(named, problems)
    variables = _own_variables(environ, problems)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in SETTINGS.values():
        places = (
            (flags.get(setting.name), f"flag {setting.flag}"),
            (variables.get(setting.env), f"environment {setting.env}"),
            (keys.get(setting.name), f"{named or FILE_NAME}:{setting.name}"),
        )
        for raw, origin in places:
            if raw is None:
                continue
            try:
                value = setting.parse(raw)
            except ValueError as error:
                problems.append(f"{origin} {error}")
                continue
            if setting.name not in values:
                values[setting.name], origins[setting.name] = value, origin
        origins.setdefault(setting.name, "default")
    if problems:
        raise ConfigError(problems)
    return Loaded(Settings(**values), origins)


def _read_file(named: Path | None, problems: list[str]) -> Mapping[str, object]:
    """Keys of the file, which may be missing unless it was named."""
    path = named or Path(FILE_NAME)
    try:
        keys = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            problems.append(f"{path}: there is no such file")
        return {}
    except OSError as error:
        problems.append(f"{path}: can't be read: {error.strerror}")
        return {}
    except ValueError as error:  # of TOML or UTF-8; it gives line and column
        problems.append(f"{path}: {error}")
        return {}
    for key in sorted(keys.keys() - SETTINGS.keys()):
        problems.append(f"{path}:{key} is not a setting{_did_you_mean(key, SETTINGS)}")
    return keys


def _own_variables(environ: Mapping[str, str], problems: list[str]) -> Mapping[str, str]:
    """Variables with our prefix that are settings."""
    known = {setting.env for setting in SETTINGS.values()}
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    for name in sorted(ours.keys() - known - TOOL_VARIABLES.keys()):
        problems.append(
            f"environment {name} is not a setting{_did_you_mean(name, [*known, *TOOL_VARIABLES])}"
        )
    if any(value.startswith("tcp://") for value in ours.values()):
        problems.append(
            "environment: Kubernetes put variables of a service named statuspush here; "
            "set enableServiceLinks: false in the pod"
        )
    return {name: ours[name] for name in ours.keys() & known}


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only an error needs it

    wanted = word.upper() if word.startswith(PREFIX) else word.lower().replace("-", "_")
    near = get_close_matches(wanted, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
