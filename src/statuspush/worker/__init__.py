"""The working half: it takes submissions, sends pushes, and owns no data."""
