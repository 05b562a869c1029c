-- verb: scan: the jobs of a queue that ended in a state, where they are few
-- parameters: queue, state
-- columns: id, seq
-- index: job_finished
SELECT id, seq
FROM job
WHERE queue = ?1 AND state = ?2 AND state >= 6
