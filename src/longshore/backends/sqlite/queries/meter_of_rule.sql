-- verb: tune
-- parameters: queue, the rule with its colon, the rule with a semicolon
-- columns: queue, name, kind, most, per_ms, burst, used, spent, held, wanted, due_ms, past_priority, past_ord, stale
-- index: the primary key of meter
SELECT queue, name, kind, most, per_ms, burst, used, spent, held, wanted, due_ms, past_priority, past_ord, stale
FROM meter
WHERE queue = ?1 AND name >= ?2 AND name < ?3
ORDER BY name
