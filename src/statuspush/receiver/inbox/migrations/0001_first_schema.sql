-- What arrived, in order: a row is the new reports of one account from one commit. Rows are only
-- appended; retention removes the oldest.
CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    arrived_at INTEGER NOT NULL,        -- milliseconds since 1970
    account TEXT NOT NULL,
    reports INTEGER NOT NULL,
    marks BLOB NOT NULL,                -- of the reports' sids, in order, 8 bytes each
    body BLOB NOT NULL                  -- the reports, a JSON object a line
) STRICT;

-- Which sids the batches up to last_batch hold, 65,536 or somewhat more a row, sorted in bulk.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    last_batch INTEGER NOT NULL,
    newest_at INTEGER NOT NULL,
    filter BLOB NOT NULL,               -- core/sid_filter.py
    marks BLOB NOT NULL,                -- sorted, 8 bytes each
    batches BLOB NOT NULL               -- the batch of each, 8 bytes each
) STRICT;
