-- verb: settle: the claims as they stand
-- parameters: ids (carray of blobs)
-- columns: id, seq, session, fence, state, settled, started_ms, queue, rules, awaited, of the jobs that are there
-- index: the unique index of job.id
SELECT id, seq, session, fence, state, settled, started_ms, queue, rules, awaited
FROM job
WHERE id IN (SELECT value FROM carray(?1))
