-- verb: every verb in which a job ends that others wait for
-- parameters: numbers (carray)
-- columns: none
-- index: the rowid of edge
DELETE FROM edge
WHERE number IN (SELECT value FROM carray(?1))
