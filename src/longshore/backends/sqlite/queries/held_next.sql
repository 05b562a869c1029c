-- verb: every verb that gives room: whose turn it is
-- parameters: queue, meter, limit
-- columns: queue, held_by, seq, priority, rules
-- index: job_held
SELECT queue, held_by, seq, priority, rules
FROM job
WHERE queue = ?1 AND held_by = ?2 AND state = 2
ORDER BY priority, ord
LIMIT ?3
