-- verb: gauge, and promote to forget those that are idle
-- parameters: queue
-- columns: queue, name, kind, most, per_ms, burst, used, spent, held, wanted, due_ms, past_priority, past_ord, stale
-- index: the primary key of meter
SELECT queue, name, kind, most, per_ms, burst, used, spent, held, wanted, due_ms, past_priority, past_ord, stale
FROM meter
WHERE queue = ?1
ORDER BY name
