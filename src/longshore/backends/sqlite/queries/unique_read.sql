-- verb: insert: who has a key
-- parameters: queue, key
-- columns: id, state, created_ms
-- index: job_unique
SELECT id, state, created_ms
FROM job
WHERE queue = ?1 AND unique_key = ?2
