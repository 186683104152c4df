"""Every row of the table of settings as a flag, so that no command repeats the table."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from statuspush.config import SETTINGS, load

ALL: Final = tuple(SETTINGS)
"""Names of all settings."""

_FILE: Final = "config"


def takes_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command ``--config`` and the flags of these settings.

    The command's first parameter receives the :class:`~statuspush.config.Loaded`; its other
    parameters stay its own. All settings are loaded and checked, whichever of them are flags.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        flags = [_flag(name) for name in names]

        def run(**given: object) -> None:
            file = given.pop(_FILE)
            assert file is None or isinstance(file, Path)
            loaded = load({name: given.pop(name) for name in names}, os.environ, file)
            command(loaded, **given)

        run.__doc__ = command.__doc__
        run.__name__ = command.__name__
        # Typer reads the flags of a command off its signature.
        parameters = [
            *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own),
            *flags,
            _config_flag(),
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return run

    return decorate


def _flag(name: str) -> inspect.Parameter:
    setting = SETTINGS[name]
    option = typer.Option(
        setting.flag,
        metavar=setting.metavar,
        help=setting.help + _default(setting.show(setting.default)),
        show_default=False,
        rich_help_panel="Settings",
    )
    # Text, not the type of the setting: the table's parsers serve all four sources alike.
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option]
    )


def _default(value: object) -> str:
    """The default as typer would write it if it knew it."""
    if value in (None, []):
        return ""
    # The backslash keeps rich from taking it for markup.
    return f" \\[default: {value:g}]" if isinstance(value, float) else f" \\[default: {value}]"


def _config_flag() -> inspect.Parameter:
    option = typer.Option(
        "--config",
        metavar="FILE",
        help="Settings file, instead of statuspush.toml in the working directory.",
        rich_help_panel="Settings",
    )
    return inspect.Parameter(
        _FILE,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[Path | None, option],
    )
