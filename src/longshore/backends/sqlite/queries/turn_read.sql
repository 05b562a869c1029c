-- verb: every verb by which a job with a fair key becomes pending
-- parameters: queue, priority, key
-- columns: tag
-- index: the primary key of turn
SELECT tag
FROM turn
WHERE queue = ?1 AND priority = ?2 AND key = ?3
