-- verb: settle and change, where jobs are forgotten
-- parameters: seqs (carray)
-- columns: none
-- index: the primary key of failure
DELETE FROM failure
WHERE job IN (SELECT value FROM carray(?1))
