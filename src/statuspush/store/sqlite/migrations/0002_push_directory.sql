-- An index by account is kept in bulk instead of row by row: with many accounts, each new push
-- dirtied a page of each index. What is not in the directory yet is kept in memory (see
-- push_index.py). From this version on, progress.push_cursor may lag behind the pushes under way.
DROP INDEX pushes_by_account;
DROP INDEX pushes_by_report;

CREATE TABLE push_directory (
    account    INTEGER NOT NULL,
    first_push INTEGER NOT NULL,
    last_push  INTEGER NOT NULL,
    min_seq    INTEGER NOT NULL,                          -- of the first reports of the pushes
    max_seq    INTEGER NOT NULL,
    entries    BLOB NOT NULL,                             -- (push, first seq) of each push
    PRIMARY KEY (account, first_push)
) STRICT, WITHOUT ROWID;
CREATE INDEX push_directory_by_age ON push_directory (last_push);

-- Up to which push the directory is complete; one row, or none.
CREATE TABLE push_directory_end (
    last_push INTEGER PRIMARY KEY
) STRICT;
