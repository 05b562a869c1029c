-- verb: scan: every running job
-- parameters: none
-- columns: id, seq
-- index: job_running
SELECT id, seq
FROM job
WHERE state = 4
