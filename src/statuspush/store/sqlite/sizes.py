"""The sizes that the engine works with: by default for a server, smaller in tests."""

from dataclasses import dataclass

from statuspush.storage import sid_filter
from statuspush.storage.checkpoint import WAL_BYTES


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes and times of the engine."""

    run_reports: int = 65_536
    """Reports after which the end of the log is sorted into a run."""
    run_pushes: int = 65_536
    """Recent pushes after which they are sorted into the directory."""
    filter_rows: int = sid_filter.ROWS
    """Rows of the filter over all runs."""
    fold_bytes: int = 2 << 20
    """Size of the journal at which it is folded into rows."""
    wal_bytes: int = WAL_BYTES
    """Size of the write-ahead log at which a checkpoint begins."""
    redrive_looked_at: int = 1000
    """Pushes that a redrive looks at per commit."""
    redrive_made: int = 250
    """Pushes that a redrive makes per commit."""
    removed_bytes: int = 2 << 20
    """Bytes of chunks that one step of retention removes: SQLite frees them page by page."""
    push_page: int = 500
    """Push ids that the index returns at a time."""
    probe_seconds: float = 0.5
    """After a failed commit nothing is tried for this long; then one harmless write decides."""
