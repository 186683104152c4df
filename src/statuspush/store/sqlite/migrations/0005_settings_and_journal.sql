-- Settings are one document (core/push_settings.py), so that a further one needs no migration; what was
-- learned of an endpoint is kept with its standing. Revisions tell concurrent changes apart.
ALTER TABLE accounts ADD COLUMN kind TEXT NOT NULL DEFAULT 'voice_status';
ALTER TABLE accounts ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE accounts ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
UPDATE accounts SET settings = json_object(
    'mode', mode, 'url', url, 'wire', wire, 'max_reports', max_reports, 'max_bytes', max_bytes,
    'max_in_flight', max_in_flight, 'connect_seconds', connect_seconds,
    'timeout_seconds', timeout_seconds, 'secret', secret, 'headers', json(headers)
);

-- The present progress of an account is its row here, or the newest entry in the journal. A row
-- holds all entries up to the one numbered `journal`.
ALTER TABLE progress ADD COLUMN learned_max_bytes INTEGER;
ALTER TABLE progress ADD COLUMN journal INTEGER NOT NULL DEFAULT 0;
UPDATE progress SET learned_max_bytes =
    (SELECT a.learned_max_bytes FROM accounts AS a WHERE a.id = progress.account);
CREATE TABLE journal (
    id   INTEGER PRIMARY KEY,
    body BLOB NOT NULL                                   -- of the accounts a commit changed
) STRICT;

ALTER TABLE accounts DROP COLUMN mode;
ALTER TABLE accounts DROP COLUMN url;
ALTER TABLE accounts DROP COLUMN wire;
ALTER TABLE accounts DROP COLUMN max_reports;
ALTER TABLE accounts DROP COLUMN max_bytes;
ALTER TABLE accounts DROP COLUMN max_in_flight;
ALTER TABLE accounts DROP COLUMN connect_seconds;
ALTER TABLE accounts DROP COLUMN timeout_seconds;
ALTER TABLE accounts DROP COLUMN secret;
ALTER TABLE accounts DROP COLUMN headers;
ALTER TABLE accounts DROP COLUMN learned_max_bytes;

-- The newest attempt stands in the push's row, so that a push that is sent once is one row; the
-- table of attempts has the earlier ones. Of pushes from before this version it has all.
ALTER TABLE pushes ADD COLUMN owner TEXT;
UPDATE pushes SET owner = 'local' WHERE state = 'sending';  -- as the service names itself
ALTER TABLE pushes ADD COLUMN started_at INTEGER;
ALTER TABLE pushes ADD COLUMN duration_ms INTEGER;
ALTER TABLE pushes ADD COLUMN outcome TEXT;
ALTER TABLE pushes ADD COLUMN http_status INTEGER;
ALTER TABLE pushes ADD COLUMN answer BLOB;
ALTER TABLE pushes ADD COLUMN detail TEXT;
ALTER TABLE pushes ADD COLUMN reports_sent INTEGER;
