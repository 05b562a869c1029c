-- verb: change: update
-- parameters: seq
-- columns: state, turn, ord, held_by, run_ms, payload, priority, max_attempts, details, tags, reference, correlation_id
-- index: the rowid of job
SELECT state, turn, ord, held_by, run_ms, payload, priority, max_attempts, details, tags, reference, correlation_id
FROM job
WHERE seq = ?1
