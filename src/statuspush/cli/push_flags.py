"""Every entry of the table of account settings as a flag, so that no command repeats the table."""

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from statuspush.core.push_settings import PUSH_SETTINGS, PushSetting, read_changes

GIVEN = "given"
"""Name of the parameter that receives the flags."""


def takes_push_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a flag for each setting of an account.

    The parameter :data:`GIVEN` of the command receives the words of those that were given, by the
    setting's name, at least one word each; its other parameters are unaffected.
    """
    own = inspect.signature(command, eval_str=True).parameters.values()
    positional = [p for p in own if p.kind is not p.KEYWORD_ONLY]
    keywords = [p for p in own if p.kind is p.KEYWORD_ONLY and p.name != GIVEN]
    flags = {_parameter(setting): setting for setting in PUSH_SETTINGS}

    def run(**arguments: object) -> None:
        given: dict[str, list[str]] = {}
        for parameter, setting in flags.items():
            words = arguments.pop(parameter)
            if words is not None and words != []:
                given[setting.name] = words if isinstance(words, list) else [str(words)]
        command(**arguments, **{GIVEN: given})

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    # Typer reads the flags of a command off its signature.
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*positional, *(_flag(name, setting) for name, setting in flags.items()), *keywords]
    )
    return run


def changes_of(given: dict[str, list[str]]) -> dict[str, object]:
    """The body of a change, as the API takes it, from the words of :func:`takes_push_settings`.

    Raises :class:`~statuspush.core.errors.InputError` for what the service would refuse, with the
    service's message.
    """
    forms = {setting.name: setting.form for setting in PUSH_SETTINGS}
    changes = {name: forms[name].parse(words) for name, words in given.items()}
    read_changes(changes)
    return changes


def _parameter(setting: PushSetting) -> str:
    # Commands have other parameters, and one of them, --service, is named "url".
    return f"push_{setting.name}"


def _flag(name: str, setting: PushSetting) -> inspect.Parameter:
    option = typer.Option(
        setting.flag,
        metavar=setting.form.metavar,
        help=_help(setting),
        show_default=False,
        rich_help_panel="Settings",
    )
    # Text, whatever the setting holds: the table reads words of all kinds.
    text = list[str] if setting.form.repeatable else str
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[text | None, option],
    )


def _help(setting: PushSetting) -> str:
    return f"{setting.description.en} Takes {setting.form.typed.en}.".replace("`", "")
