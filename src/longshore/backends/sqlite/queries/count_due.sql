-- verb: count
-- parameters: queue
-- columns: when the first waiting job of this queue is due
-- index: job_due (covering; walks from the earliest)
SELECT run_ms
FROM job
WHERE state IN (1, 5) AND queue = ?1
ORDER BY run_ms
LIMIT 1
