"""The rooms of ``statuspush submit``: read a file as a stream, submit its reports."""
