-- Times are milliseconds since the epoch. Reports are numbered per account by seq, from 1.

CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE accounts (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: old rows name it
    account           TEXT NOT NULL UNIQUE,
    name              TEXT NOT NULL,
    apikey_hash       BLOB NOT NULL,
    created_at        INTEGER NOT NULL,
    mode              TEXT NOT NULL,
    url               TEXT,
    wire              TEXT NOT NULL,
    max_reports       INTEGER NOT NULL,
    max_bytes         INTEGER,
    max_in_flight     INTEGER NOT NULL,
    connect_seconds   REAL NOT NULL,
    timeout_seconds   REAL NOT NULL,
    secret            TEXT,
    headers           TEXT NOT NULL,                      -- JSON array of [name, value]
    learned_max_bytes INTEGER
) STRICT;

-- Where an account stands. One narrow row each, rewritten with its pushes' outcomes, at most
-- once a commit. next_seq may lag: the end of the log knows better (see tail.py).
CREATE TABLE progress (
    account              INTEGER PRIMARY KEY,
    next_seq             INTEGER NOT NULL,
    push_cursor          INTEGER NOT NULL,                -- the first seq not cut into a push
    pull_cursor          INTEGER NOT NULL,
    delivered            INTEGER NOT NULL,                -- pushes, as far as they are kept
    exhausted            INTEGER NOT NULL,
    cancelled            INTEGER NOT NULL,
    delivered_reports    INTEGER NOT NULL,                -- each counted in its newest push
    exhausted_reports    INTEGER NOT NULL,
    cancelled_reports    INTEGER NOT NULL,
    expired_reports      INTEGER NOT NULL,
    consecutive_failures INTEGER NOT NULL,
    slow                 INTEGER NOT NULL,
    last_outcome         TEXT,
    last_attempt_at      INTEGER,
    last_delivered_at    INTEGER,
    last_http_status     INTEGER,
    last_answer          BLOB NOT NULL,                   -- of a failed attempt, for the hint
    last_detail          TEXT NOT NULL
) STRICT;

-- The log: up to 500 reports of one account a row, in the order of acceptance, only appended.
CREATE TABLE chunks (
    id          INTEGER PRIMARY KEY,
    account     INTEGER NOT NULL,
    first_seq   INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    body        BLOB NOT NULL                             -- fragments, newline-joined
) STRICT;

-- Sorted in bulk behind the log, a run of chunks at a time (see runs.py).
CREATE TABLE runs (
    id          INTEGER PRIMARY KEY,
    first_chunk INTEGER NOT NULL,
    last_chunk  INTEGER NOT NULL,
    reports     INTEGER NOT NULL,
    newest_at   INTEGER NOT NULL,
    filter      BLOB NOT NULL                             -- Bloom filter of the run's sids
) STRICT;

CREATE TABLE index_blocks (
    kind    INTEGER NOT NULL,                             -- 0 sid, 1 mobile, 2 uid
    bucket  INTEGER NOT NULL,
    run     INTEGER NOT NULL,
    entries BLOB NOT NULL                                 -- sorted (fingerprint, chunk)
) STRICT;
CREATE UNIQUE INDEX index_blocks_place ON index_blocks (kind, bucket, run);
CREATE INDEX index_blocks_by_run ON index_blocks (run);

CREATE TABLE directory (
    account     INTEGER NOT NULL,
    first_seq   INTEGER NOT NULL,
    end_seq     INTEGER NOT NULL,
    first_chunk INTEGER NOT NULL,                         -- of the run; entries count from it
    entries     BLOB NOT NULL,                            -- (seq, chunk) of each chunk
    PRIMARY KEY (account, first_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX directory_by_run ON directory (first_chunk);

-- A push is a range of one account's log.
CREATE TABLE pushes (
    id            INTEGER PRIMARY KEY,
    account       INTEGER NOT NULL,
    first_seq     INTEGER NOT NULL,
    count         INTEGER NOT NULL,
    superseded    INTEGER NOT NULL DEFAULT 0,             -- of its reports, those in newer pushes
    state         TEXT NOT NULL,
    attempts      INTEGER NOT NULL,                       -- made so far
    failures      INTEGER NOT NULL,                       -- those that count against the retries
    accepted_at   INTEGER NOT NULL,                       -- of its oldest report
    due_at        INTEGER,
    delivered_at  INTEGER,
    token         INTEGER,                                -- of the present claim
    claimed_until INTEGER,
    redrive_of    INTEGER
) STRICT;
CREATE INDEX pushes_by_account ON pushes (account, id);
CREATE INDEX pushes_by_report ON pushes (account, first_seq);
CREATE INDEX pushes_under_way ON pushes (account) WHERE state IN ('waiting', 'sending');
CREATE INDEX pushes_given_up ON pushes (account, id) WHERE state IN ('exhausted', 'cancelled');

CREATE TABLE attempts (
    push        INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    outcome     TEXT NOT NULL,
    http_status INTEGER,
    answer      BLOB NOT NULL,
    detail      TEXT NOT NULL,
    reports     INTEGER NOT NULL,
    PRIMARY KEY (push, number)
) STRICT, WITHOUT ROWID;
