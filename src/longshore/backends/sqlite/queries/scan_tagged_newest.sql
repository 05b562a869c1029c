-- verb: scan: jobs that have tags, newest first
-- parameters: the id before which it begins (NULL: from the newest)
-- columns: id, seq
-- index: job_tagged (covering)
SELECT id, seq
FROM job
WHERE tags IS NOT NULL AND id < coalesce(?1, x'ffffffffffffffffffffffffffffffffff')
ORDER BY id DESC
