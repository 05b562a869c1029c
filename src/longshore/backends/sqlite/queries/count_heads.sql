-- verb: count: who is next in line, in each priority
-- parameters: queue
-- columns: created_ms of the oldest of them
-- index: job_pending
SELECT min(
    (SELECT created_ms FROM job WHERE queue = ?1 AND state = 3 AND priority = level.value ORDER BY turn, ord LIMIT 1)
)
FROM json_each('[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]') AS level
