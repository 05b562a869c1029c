-- verb: scan: jobs with a reference
-- parameters: reference
-- columns: id, seq
-- index: job_reference (covering)
SELECT id, seq
FROM job
WHERE reference = ?1
ORDER BY id
