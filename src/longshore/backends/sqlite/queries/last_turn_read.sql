-- verb: every verb by which a job with a fair key becomes pending
-- parameters: queue, priority
-- columns: tag
-- index: the primary key of last_turn
SELECT tag
FROM last_turn
WHERE queue = ?1 AND priority = ?2
