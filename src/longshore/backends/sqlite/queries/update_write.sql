-- verb: change: update
-- parameters: state, ord, run_ms, payload, priority, max_attempts, details, tags, reference, correlation_id, now_ms, seq
-- columns: none
-- index: the rowid of job
UPDATE job
SET
    state = ?1,
    ord = ?2,
    run_ms = ?3,
    payload = ?4,
    priority = ?5,
    max_attempts = ?6,
    details = ?7,
    tags = ?8,
    reference = ?9,
    correlation_id = ?10,
    updated_ms = ?11
WHERE seq = ?12
