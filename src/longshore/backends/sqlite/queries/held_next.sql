-- verb: every verb that gives room: whose turn it is
-- parameters: queue, meter, priority and ord (behind which they stand), limit
-- columns: priority, ord, job
-- index: the primary key of held
SELECT priority, ord, job
FROM held
WHERE queue = ?1 AND meter = ?2 AND (priority, ord) > (?3, ?4)
ORDER BY priority, ord
LIMIT ?5
