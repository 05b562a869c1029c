-- verb: every verb by which a job comes that waits for others
-- parameters: id
-- columns: none
-- index: the unique index of job.id
UPDATE job
SET awaited = 1
WHERE id = ?1 AND awaited IS NULL
