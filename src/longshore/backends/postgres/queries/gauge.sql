-- verb: gauge
-- parameters: now_ms (NULL: the server's clock), queues of which all meters are asked for (NULL where only some are), and of single ones: the number of the ask, queue, name
-- columns: the columns of `meters`, the store's time, the number of the ask (from 1)
-- index: the primary key of meter
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
)
SELECT
    meter.queue, meter.name, meter.kind, meter.most, meter.per_ms, meter.burst, meter.used, meter.held, meter.wanted,
    meter.spent, meter.due_ms, moment.now_ms, a.n
FROM
    moment,
    unnest($2::text[]) WITH ORDINALITY AS a (queue, n)
    JOIN {schema}.{prefix}meter AS meter ON meter.queue = a.queue
UNION ALL
SELECT
    meter.queue, meter.name, meter.kind, meter.most, meter.per_ms, meter.burst, meter.used, meter.held, meter.wanted,
    meter.spent, meter.due_ms, moment.now_ms, a.n
FROM
    moment,
    unnest($3::integer[], $4::text[], $5::text[]) AS a (n, queue, name)
    JOIN {schema}.{prefix}meter AS meter ON meter.queue = a.queue AND meter.name = a.name
ORDER BY 13, 2
