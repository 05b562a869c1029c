-- verb: scan: jobs with a correlation id
-- parameters: correlation_id
-- columns: id, seq
-- index: job_correlation (covering)
SELECT id, seq
FROM job
WHERE correlation_id = ?1
ORDER BY id
