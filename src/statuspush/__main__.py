"""``python -m statuspush``: the same as the command ``statuspush``."""

from statuspush.cli.app import main

main()
