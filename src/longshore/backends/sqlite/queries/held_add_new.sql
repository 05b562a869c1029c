-- verb: every verb that stores new jobs that are held
-- parameters: ids (carray of blobs)
-- columns: none
-- index: the unique index of job.id
INSERT OR REPLACE INTO held (queue, meter, priority, ord, job)
SELECT queue, held_by, priority, ord, seq
FROM job
WHERE id IN (SELECT value FROM carray(?1)) AND state = 2
