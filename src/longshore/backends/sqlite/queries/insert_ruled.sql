-- verb: insert of jobs with rules or edges, or among such
-- parameters: id, queue, state, priority, turn, ord, max_attempts, run_ms, created_ms, rules, held_by, unique_key, edges, name, payload, details, tags, reference, correlation_id
-- columns: none; the caller knows that the ids are new
-- index: the unique index of job.id
INSERT INTO job (
    id, queue, state, priority, turn, ord, max_attempts, run_ms, created_ms, rules, held_by, unique_key, edges, name,
    payload, details, tags, reference, correlation_id
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
