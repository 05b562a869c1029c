-- verb: promote and retry: pending, at a new place
-- parameters: ord, now_ms, seq
-- columns: none
-- index: the rowid of job
UPDATE job
SET state = 3, ord = ?1, run_ms = NULL, updated_ms = ?2
WHERE seq = ?3
