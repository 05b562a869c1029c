-- verb: scan: every job, oldest first
-- parameters: the id after which it begins (an empty blob: from the first)
-- columns: id, seq
-- index: the unique index of job.id (covering)
SELECT id, seq
FROM job
WHERE id > ?1
ORDER BY id
