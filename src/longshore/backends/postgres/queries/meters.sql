-- verb: every one that touches jobs with limits
-- parameters: queues, names
-- columns: queue, name, kind, limit, per_ms, burst, used, held, wanted, spent, due_ms
-- index: the primary key of meter
SELECT
    meter.queue, meter.name, meter.kind, meter.most, meter.per_ms, meter.burst, meter.used, meter.held, meter.wanted,
    meter.spent, meter.due_ms
FROM
    unnest($1::text[], $2::text[]) AS a (queue, name)
    JOIN {schema}.{prefix}meter AS meter ON meter.queue = a.queue AND meter.name = a.name
