"""Worker processes: they speak HTTP on both sides, and one process owns the store."""
