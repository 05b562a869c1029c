-- verb: every verb that frees a blocked job whose time has not come
-- parameters: now_ms, seq
-- columns: none
-- index: the rowid of job
UPDATE job
SET state = 1, updated_ms = ?1
WHERE seq = ?2
