-- verb: scan: the held jobs of a queue, where they are few
-- parameters: queue
-- columns: id, seq
-- index: job_held
SELECT id, seq
FROM job
WHERE queue = ?1 AND state = 2
