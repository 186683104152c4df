"""How times are passed around: as numbers, always from outside."""

Milliseconds = int
"""Milliseconds since 1970-01-01T00:00:00Z."""
