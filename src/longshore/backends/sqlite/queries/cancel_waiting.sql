-- verb: change: cancel
-- parameters: now_ms, seq
-- columns: none
-- index: the rowid of job
UPDATE job
SET state = 8, held_by = NULL, run_ms = NULL, finished_ms = ?1, updated_ms = ?1
WHERE seq = ?2
