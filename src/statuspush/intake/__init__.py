"""The rooms of ``statuspush submit``: read a file as it streams, hand its reports in."""
