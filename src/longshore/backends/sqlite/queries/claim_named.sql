-- verb: claim of one job by its id
-- parameters: queue, id
-- columns: seq, id, name, payload, priority, max_attempts, fence, failures, crashes, releases, created_ms, details, rules
-- index: the unique index of job.id
SELECT seq, id, name, payload, priority, max_attempts, fence, failures, crashes, releases, created_ms, details, rules
FROM job
WHERE id = ?2 AND queue = ?1 AND state = 3
