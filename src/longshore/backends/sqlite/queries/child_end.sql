-- verb: every verb that tells a blocked job of an edge it has missed
-- parameters: state, now_ms, seq
-- columns: none
-- index: the rowid of job
UPDATE job
SET state = ?1, run_ms = NULL, open = NULL, becomes = NULL, finished_ms = ?2, updated_ms = ?2
WHERE seq = ?3
