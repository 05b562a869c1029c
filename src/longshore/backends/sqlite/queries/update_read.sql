-- verb: change: update
-- parameters: seq
-- columns: state, ord, run_ms, payload, priority, max_attempts, details, tags, reference, correlation_id
-- index: the rowid of job
SELECT state, ord, run_ms, payload, priority, max_attempts, details, tags, reference, correlation_id
FROM job
WHERE seq = ?1
