-- verb: every verb by which a job with rules becomes pending or held
-- parameters: state, turn, ord, held_by, now_ms (NULL: nothing happened to the job itself), seq
-- columns: none
-- index: the rowid of job
UPDATE job
SET state = ?1, turn = ?2, ord = ?3, held_by = ?4, run_ms = NULL, updated_ms = coalesce(?5, updated_ms)
WHERE seq = ?6
