-- verb: settle and change, where jobs are forgotten
-- parameters: seqs (carray)
-- columns: none
-- index: the rowid of job
DELETE FROM job
WHERE seq IN (SELECT value FROM carray(?1))
