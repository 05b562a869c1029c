-- verb: scan: the pending jobs of a queue, where they are few
-- parameters: queue
-- columns: id, seq
-- index: job_pending
SELECT id, seq
FROM job
WHERE queue = ?1 AND state = 3
