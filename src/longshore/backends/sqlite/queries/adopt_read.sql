-- verb: adopt: which jobs are there
-- parameters: ids (carray of blobs)
-- columns: id, seq
-- index: the unique index of job.id
SELECT id, seq
FROM job
WHERE id IN (SELECT value FROM carray(?1))
