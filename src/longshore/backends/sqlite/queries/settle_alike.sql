-- verb: settle, of many jobs that end in the same way
-- parameters: state, ord, failures, crashes, releases, run_ms, finished_ms, result, error_text, now_ms, ids (array), session, fence
-- columns: seq, id, started_ms, queue, of those that were applied
-- index: the unique index of job.id; the `+` keeps the planner from walking all running jobs of the session instead
UPDATE job
SET
    state = ?1,
    settled = ?1,
    ord = coalesce(?2, ord),
    failures = failures + ?3,
    crashes = crashes + ?4,
    releases = releases + ?5,
    run_ms = ?6,
    finished_ms = ?7,
    result = ?8,
    error_text = coalesce(?9, error_text),
    updated_ms = ?10,
    cancel_requested = 0
WHERE id IN (SELECT value FROM carray(?11)) AND +session = ?12 AND fence = ?13 AND state = 4
RETURNING seq, id, started_ms, queue
