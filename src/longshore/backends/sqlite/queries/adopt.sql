-- verb: adopt
-- parameters: id, queue, state, priority, turn, ord, fence, failures, crashes, releases, max_attempts, run_ms, created_ms, updated_ms, started_ms, finished_ms, session, rules, held_by, unique_key, edges, name, tags, reference, correlation_id, progress, progress_note, error_text, result, details, payload
-- columns: none
-- index: the unique index of job.id
INSERT INTO job (
    id, queue, state, priority, turn, ord, fence, failures, crashes, releases, max_attempts, run_ms, created_ms,
    updated_ms, started_ms, finished_ms, session, rules, held_by, unique_key, edges, name, tags, reference, correlation_id,
    progress, progress_note, error_text, result, details, payload
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
