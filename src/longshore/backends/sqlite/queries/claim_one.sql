-- verb: claim of one job by its id
-- parameters: queue, id, session, now_ms
-- columns: priority, ord, id, name, payload, max_attempts, fence, failures, crashes, releases, created_ms, details
-- index: the unique index of job.id
UPDATE job
SET state = 4, fence = fence + 1, session = ?3, started_ms = ?4, updated_ms = ?4
WHERE id = ?2 AND queue = ?1 AND state = 3
RETURNING priority, ord, id, name, payload, max_attempts, fence, failures, crashes, releases, created_ms, details
