-- verb: settle: a job that ends in its own way; the same as settle_alike
-- parameters: state, ord, failures, crashes, releases, run_ms, finished_ms, result, error_text, now_ms, seq
-- columns: none
-- index: the rowid of job
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
WHERE seq = ?11
