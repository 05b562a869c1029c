-- verb: scan: jobs that wait for a time, where they are few
-- parameters: none
-- columns: id, seq
-- index: job_due
SELECT id, seq
FROM job
WHERE state IN (1, 5)
