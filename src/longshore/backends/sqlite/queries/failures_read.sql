-- verb: scan with full
-- parameters: seqs (JSON array)
-- columns: job (seq), body, oldest first
-- index: the primary key of failure
SELECT job, body
FROM failure
WHERE job IN (SELECT value FROM json_each(?1))
ORDER BY job, fence
