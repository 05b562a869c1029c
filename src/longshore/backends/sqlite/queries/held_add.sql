-- verb: every verb by which a job becomes held, or held at another place
-- parameters: seqs (carray)
-- columns: none
-- index: the rowid of job
INSERT OR REPLACE INTO held (queue, meter, priority, ord, job)
SELECT queue, held_by, priority, ord, seq
FROM job
WHERE seq IN (SELECT value FROM carray(?1)) AND state = 2
