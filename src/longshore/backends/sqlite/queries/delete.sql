-- verb: change: delete
-- parameters: seq
-- columns: none
-- index: the rowid of job
DELETE FROM job
WHERE seq = ?1
