-- verb: insert (also the follow-ups of settle)
-- parameters: id, queue, state, priority, ord, max_attempts, run_ms, created_ms, name, payload, details, tags, reference, correlation_id
-- columns: none; the caller compares the number of changes
-- index: the unique index of job.id
INSERT INTO job (id, queue, state, priority, ord, max_attempts, run_ms, created_ms, name, payload, details, tags, reference, correlation_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING
