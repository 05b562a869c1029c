-- verb: claim and promote: puts a job aside that cannot be read
-- parameters: id, queue, name, error_text, now_ms, seq
-- columns: none
-- index: the rowid of job
UPDATE job
SET
    state = 7,
    id = ?1,
    queue = ?2,
    name = ?3,
    error_text = ?4,
    run_ms = NULL,
    finished_ms = ?5,
    updated_ms = ?5
WHERE seq = ?6
