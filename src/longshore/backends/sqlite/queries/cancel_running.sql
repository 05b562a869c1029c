-- verb: change: cancel
-- parameters: now_ms, seq
-- columns: none
-- index: the rowid of job
UPDATE job
SET cancel_requested = 1, updated_ms = ?1
WHERE seq = ?2
