-- verb: promote
-- parameters: now_ms, limit
-- columns: seq, queue, state, priority, rules
-- index: job_due
SELECT seq, queue, state, priority, rules
FROM job
WHERE state IN (1, 5) AND run_ms <= ?1
ORDER BY run_ms
LIMIT ?2
