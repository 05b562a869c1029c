-- verb: scan: jobs that have tags, oldest first
-- parameters: the id after which it begins
-- columns: id, seq
-- index: job_tagged (covering)
SELECT id, seq
FROM job
WHERE tags IS NOT NULL AND id > ?1
ORDER BY id
