"""The command line: one module a command, thin, printing for people or (``--json``) programs.

Modules of commands import at their top only what every command needs; what is heavy (the server,
the HTTP client, the database) is imported when a command runs, so that ``--help`` answers at once.
"""
