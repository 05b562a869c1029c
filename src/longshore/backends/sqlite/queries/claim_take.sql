-- verb: claim: binds the jobs that were chosen to the session
-- parameters: seqs (carray), session, now_ms
-- columns: none
-- index: the rowid of job
UPDATE job
SET state = 4, fence = fence + 1, session = ?2, started_ms = ?3, updated_ms = ?3
WHERE seq IN (SELECT value FROM carray(?1))
