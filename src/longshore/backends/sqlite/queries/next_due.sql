-- verb: promote
-- parameters: none
-- columns: run_ms of the job that is due first
-- index: job_due
SELECT run_ms
FROM job
WHERE state IN (1, 5)
ORDER BY run_ms
LIMIT 1
