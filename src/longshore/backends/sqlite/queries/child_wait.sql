-- verb: every verb that tells a blocked job something that does not decide
-- parameters: open, becomes, seq
-- columns: none
-- index: the rowid of job
UPDATE job
SET open = ?1, becomes = ?2
WHERE seq = ?3
