-- verb: insert and adopt: whoever has the key has it no more
-- parameters: queue, key
-- columns: none
-- index: job_unique
UPDATE job
SET unique_key = NULL
WHERE queue = ?1 AND unique_key = ?2
