"""SQLite files: locks, connections, versions and checkpoints, for whoever stores in one."""
