-- verb: every verb that gives room: whether those whose turn it is are held still
-- parameters: seqs (carray)
-- columns: seq, priority, ord, held_by, rules, of the held jobs among them
-- index: the rowid of job
SELECT seq, priority, ord, held_by, rules
FROM job
WHERE seq IN (SELECT value FROM carray(?1)) AND state = 2
