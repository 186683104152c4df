"""The command line: one module per command, thin, printing for people or (``--json``) programs.

``x_command.py`` parses and calls, ``x_view.py`` renders for a terminal.

Command modules import at the top only what every command needs; what is heavy (the server, the
HTTP client, the database) is imported when a command runs, so that ``--help`` is quick.
"""
