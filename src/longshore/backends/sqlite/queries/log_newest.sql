-- verb: change: note
-- parameters: job (seq)
-- columns: number of the newest line
-- index: the primary key of log
SELECT number
FROM log
WHERE job = ?1
ORDER BY number DESC
LIMIT 1
