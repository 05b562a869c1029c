-- verb: claim
-- parameters: queue, count
-- columns: seq, id, name, payload, priority, max_attempts, fence, failures, crashes, releases, created_ms, details, rules
-- index: job_pending
SELECT seq, id, name, payload, priority, max_attempts, fence, failures, crashes, releases, created_ms, details, rules
FROM job
WHERE queue = ?1 AND state = 3
ORDER BY priority, turn, ord
LIMIT ?2
