-- verb: change: update
-- parameters: state, turn, ord, held_by, run_ms, payload, priority, max_attempts, details, tags, reference, correlation_id, now_ms, seq
-- columns: none
-- index: the rowid of job
UPDATE job
SET
    state = ?1,
    turn = ?2,
    ord = ?3,
    held_by = ?4,
    run_ms = ?5,
    payload = ?6,
    priority = ?7,
    max_attempts = ?8,
    details = ?9,
    tags = ?10,
    reference = ?11,
    correlation_id = ?12,
    updated_ms = ?13
WHERE seq = ?14
