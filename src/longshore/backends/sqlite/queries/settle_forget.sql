-- verb: settle, where a job that is over is not kept
-- parameters: id, session, fence
-- columns: seq, id, started_ms, queue, of those that were applied
-- index: the unique index of job.id
DELETE FROM job
WHERE id = ?1 AND session = ?2 AND fence = ?3 AND state = 4
RETURNING seq, id, started_ms, queue
