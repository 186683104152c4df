"""``statuspush config``: the effective settings and where each came from."""

from typing import Final

from statuspush.cli.setting_flags import ALL, takes_settings
from statuspush.cli.terminal import JsonFlag, examples, note, print_json, print_table
from statuspush.config import Loaded

EXAMPLES: Final = examples(
    "statuspush config",
    "STATUSPUSH_PORT=9000 statuspush config --json",
    "statuspush config --config /etc/statuspush.toml   [dim]check a file before using it[/dim]",
)


@takes_settings(*ALL)
def show_config(loaded: Loaded, json: JsonFlag = False) -> None:
    """Print every setting with its value and origin; nothing is started.

    It takes the flags of "serve", so it shows what that command line would mean. Tokens and
    passwords are masked. If settings are wrong, all of them are listed, and the exit status is 2.
    """
    values = loaded.shown()
    if json:
        settings = {name: {"value": values[name], "origin": loaded.origins[name]} for name in ALL}
        print_json({"settings": settings, "warnings": list(loaded.warnings())})
        return
    # An integer is shown as it may be written: a port is not 8,080.
    print_table(
        ("setting", "value", "origin"),
        ((name, _text(values[name]), loaded.origins[name]) for name in ALL),
    )
    for warning in loaded.warnings():
        note(f"warning: {warning}")


def _text(value: object) -> object:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, int) else value
