-- verb: change: note
-- parameters: progress, progress_note, now_ms, id, session, fence
-- columns: seq, if the claim is the newest
-- index: the unique index of job.id
UPDATE job
SET progress = coalesce(?1, progress), progress_note = coalesce(?2, progress_note), updated_ms = ?3
WHERE id = ?4 AND session = ?5 AND fence = ?6 AND state = 4
RETURNING seq
