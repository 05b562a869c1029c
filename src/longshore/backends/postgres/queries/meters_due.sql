-- verb: promote
-- parameters: now_ms, queues
-- columns: the columns of `meters` for those whose time has come
-- index: meter_due
SELECT
    meter.queue, meter.name, meter.kind, meter.most, meter.per_ms, meter.burst, meter.used, meter.held, meter.wanted,
    meter.spent, meter.due_ms
FROM {schema}.{prefix}meter AS meter
WHERE meter.due_ms <= $1 AND meter.queue = ANY($2::text[])
