-- verb: promote: meters whose time has come
-- parameters: now_ms
-- columns: queue, name, kind, most, per_ms, burst, used, spent, held, wanted, due_ms, past_priority, past_ord, stale
-- index: meter_due
SELECT queue, name, kind, most, per_ms, burst, used, spent, held, wanted, due_ms, past_priority, past_ord, stale
FROM meter
WHERE due_ms <= ?1
