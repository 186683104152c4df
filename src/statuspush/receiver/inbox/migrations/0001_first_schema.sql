-- What arrived, in order: a row is the new reports of one account from one commit. Rows are only
-- appended; retention removes the oldest. A number is never given again, not even when all are
-- gone: handlers remember how far they have come by it.
CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    arrived_at INTEGER NOT NULL,        -- milliseconds since 1970
    account TEXT NOT NULL,
    reports INTEGER NOT NULL,
    marks BLOB NOT NULL,                -- of the reports' sids, in order, 8 bytes each
    body BLOB NOT NULL                  -- the reports, a JSON object a line
) STRICT;

-- Which sids the batches up to last_batch hold, up to 65,536 a row, sorted in bulk.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    last_batch INTEGER NOT NULL,
    newest_at INTEGER NOT NULL,
    filter BLOB NOT NULL                -- storage/sid_filter.py
) STRICT;

-- The marks of a run by their uppermost bits, so that a look reads little.
CREATE TABLE run_marks (
    run INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    marks BLOB NOT NULL,                -- sorted, 8 bytes each
    batches BLOB NOT NULL,              -- the batch of each, 8 bytes each
    PRIMARY KEY (run, bucket)
) STRICT, WITHOUT ROWID;

-- Up to which batch a handler has handled everything, or has it among the troubles.
CREATE TABLE progress (
    handler TEXT PRIMARY KEY,
    upto INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Batches behind that of which a handler has handled some: a byte a report, 1 if it is done.
CREATE TABLE partly (
    handler TEXT NOT NULL,
    batch INTEGER NOT NULL,
    done BLOB NOT NULL,
    PRIMARY KEY (handler, batch)
) STRICT, WITHOUT ROWID;

-- Reports that a handler has failed with. They are tried again when due; those that are due
-- never again are the dead letters.
CREATE TABLE troubles (
    id INTEGER PRIMARY KEY,
    handler TEXT NOT NULL,
    account TEXT NOT NULL,
    sid TEXT NOT NULL,
    report BLOB NOT NULL,               -- a JSON object
    attempts INTEGER NOT NULL,
    due_at INTEGER,                     -- milliseconds since 1970; NULL for a dead letter
    failed_at INTEGER NOT NULL,
    error TEXT NOT NULL
) STRICT;
CREATE INDEX troubles_due ON troubles (handler, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX troubles_sid ON troubles (sid);
