-- verb: every verb by which a job with a fair key becomes pending: how far the line has come
-- parameters: queue, priority
-- columns: turn
-- index: job_pending (covering)
SELECT turn
FROM job
WHERE queue = ?1 AND priority = ?2 AND state = 3 AND turn > 0
ORDER BY turn
LIMIT 1
