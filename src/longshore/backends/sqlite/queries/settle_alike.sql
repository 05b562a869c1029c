-- verb: settle: jobs that end in the same way, without a result of their own
-- parameters: state, ord, failures, crashes, releases, run_ms, finished_ms, result, error_text, now_ms, seqs (carray)
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
WHERE seq IN (SELECT value FROM carray(?11))
