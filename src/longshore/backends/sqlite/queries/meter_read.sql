-- verb: every verb that touches jobs with limits
-- parameters: queue, names (carray of texts)
-- columns: queue, name, kind, most, per_ms, burst, used, spent, held, wanted, due_ms, past_priority, past_ord, stale
-- index: the primary key of meter
SELECT queue, name, kind, most, per_ms, burst, used, spent, held, wanted, due_ms, past_priority, past_ord, stale
FROM meter
WHERE queue = ?1 AND name IN (SELECT value FROM carray(?2))
