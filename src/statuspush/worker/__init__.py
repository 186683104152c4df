"""The half that does: it takes submissions, sends pushes, and owns no data."""
