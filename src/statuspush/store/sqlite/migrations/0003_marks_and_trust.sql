-- Filters are of accounts with their sids, no more of sids alone; the next start makes them anew.
UPDATE runs SET filter = x'';

-- A person's word that the endpoint is well again: the claim's token it was given behind, until
-- the outcome of a later claim; NULL without it.
ALTER TABLE progress ADD COLUMN trusted_since INTEGER;
