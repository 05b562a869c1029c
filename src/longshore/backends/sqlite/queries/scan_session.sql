-- verb: scan: the running jobs of one session
-- parameters: session
-- columns: id, seq
-- index: job_running
SELECT id, seq
FROM job
WHERE session = ?1 AND state = 4
