-- verb: scan: every job, newest first
-- parameters: the id before which it begins (NULL: from the newest)
-- columns: id, seq
-- index: the unique index of job.id (covering)
SELECT id, seq
FROM job
WHERE id < coalesce(?1, x'ffffffffffffffffffffffffffffffffff')
ORDER BY id DESC
