-- verb: change: retry of a job that is to wait for its parents once more
-- parameters: now_ms, seq
-- columns: none
-- index: the rowid of job
UPDATE job
SET
    state = 0,
    failures = 0,
    crashes = 0,
    result = NULL,
    finished_ms = NULL,
    run_ms = NULL,
    updated_ms = ?1
WHERE seq = ?2
