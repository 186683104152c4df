"""SQLite files: locks, connections, versions and checkpoints."""
