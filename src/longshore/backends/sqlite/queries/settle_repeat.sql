-- verb: settle, to tell a repeat from a stale claim
-- parameters: id, session, fence, state
-- columns: 1, or no row
-- index: the unique index of job.id
SELECT 1
FROM job
WHERE id = ?1 AND session = ?2 AND fence = ?3 AND state <> 4 AND settled = ?4
