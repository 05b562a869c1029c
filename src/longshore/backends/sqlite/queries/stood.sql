-- verb: settle, where a job with rules wants to be pending again: where it stood
-- parameters: seq
-- columns: priority, turn, ord
-- index: the rowid of job
SELECT priority, turn, ord
FROM job
WHERE seq = ?1
