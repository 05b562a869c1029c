-- verb: count
-- parameters: queue
-- columns: run_ms of the job of this queue that is due first
-- index: job_due (covering; walks from the earliest)
SELECT run_ms
FROM job
WHERE state IN (1, 5) AND queue = ?1
ORDER BY run_ms
LIMIT 1
