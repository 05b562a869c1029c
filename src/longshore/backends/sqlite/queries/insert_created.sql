-- verb: insert, where some ids were there already
-- parameters: ids (carray of blobs), the seq behind which the new jobs are
-- columns: id, of those that are new
-- index: the unique index of job.id
SELECT id
FROM job
WHERE id IN (SELECT value FROM carray(?1)) AND seq > ?2
