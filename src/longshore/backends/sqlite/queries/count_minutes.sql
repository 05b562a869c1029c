-- verb: count
-- parameters: queue, the minute before the first
-- columns: minute, added, completed, failed, retried, crashed, run_ms
-- index: the primary key of minute
SELECT minute, added, completed, failed, retried, crashed, run_ms
FROM minute
WHERE queue = ?1 AND minute > ?2
ORDER BY minute
