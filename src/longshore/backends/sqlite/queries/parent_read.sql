-- verb: every verb by which a job comes that waits for others
-- parameters: ids (carray of blobs)
-- columns: id, state, of the jobs that are there
-- index: the unique index of job.id
SELECT id, state
FROM job
WHERE id IN (SELECT value FROM carray(?1))
