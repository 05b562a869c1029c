-- verb: claim
-- parameters: queue, count, session, now_ms
-- columns: priority, ord, id, name, payload, max_attempts, fence, failures, crashes, releases, created_ms, details; in no order (RETURNING has none)
-- index: job_pending
UPDATE job
SET state = 4, fence = fence + 1, session = ?3, started_ms = ?4, updated_ms = ?4
WHERE seq IN (
    SELECT seq
    FROM job
    WHERE queue = ?1 AND state = 3
    ORDER BY priority, ord
    LIMIT ?2
)
RETURNING priority, ord, id, name, payload, max_attempts, fence, failures, crashes, releases, created_ms, details
