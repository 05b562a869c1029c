-- verb: promote, where a row that is due cannot be read: the same rows as bytes
-- parameters: now_ms, limit
-- columns: seq, queue, name, id, typeof(id)
-- index: job_due
SELECT seq, CAST(queue AS BLOB), CAST(name AS BLOB), CAST(id AS BLOB), typeof(id)
FROM job
WHERE state IN (1, 5) AND run_ms <= ?1
ORDER BY run_ms
LIMIT ?2
