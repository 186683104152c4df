"""``python -m statuspush``: the same as the command ``statuspush``."""

from statuspush.cli.command_line import main

main()
