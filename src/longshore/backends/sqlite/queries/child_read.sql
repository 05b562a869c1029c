-- verb: every verb that tells a blocked job something
-- parameters: seqs (carray)
-- columns: seq, id, queue, state, priority, rules, run_ms, edges, open, becomes, awaited
-- index: the rowid of job
SELECT seq, id, queue, state, priority, rules, run_ms, edges, open, becomes, awaited
FROM job
WHERE seq IN (SELECT value FROM carray(?1))
