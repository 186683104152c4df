-- Chunks written from here on hold reports in the shortened form (core/fragment.py), which older
-- programs cannot read; those that are there stay as they are.
SELECT 1;
