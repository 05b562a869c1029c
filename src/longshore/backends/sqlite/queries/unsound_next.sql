-- verb: claim, where a row of the line cannot be read: the same rows as bytes
-- parameters: queue, count
-- columns: seq, queue, name, id, typeof(id)
-- index: job_pending
SELECT seq, CAST(queue AS BLOB), CAST(name AS BLOB), CAST(id AS BLOB), typeof(id)
FROM job
WHERE queue = ?1 AND state = 3
ORDER BY priority, turn, ord
LIMIT ?2
