-- verb: change: retry of a job that is over
-- parameters: seq
-- columns: none
-- index: the rowid of job
UPDATE job
SET failures = 0, crashes = 0, result = NULL, finished_ms = NULL
WHERE seq = ?1
