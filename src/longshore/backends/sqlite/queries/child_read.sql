-- verb: every verb that tells a blocked job something
-- parameters: seq
-- columns: id, queue, state, priority, rules, run_ms, edges, open, becomes, awaited
-- index: the rowid of job
SELECT id, queue, state, priority, rules, run_ms, edges, open, becomes, awaited
FROM job
WHERE seq = ?1
