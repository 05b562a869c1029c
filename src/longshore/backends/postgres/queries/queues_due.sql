-- verb: promote: which locks it needs
-- parameters: now_ms (NULL: the server's clock), how many jobs it will look at
-- columns: a queue, and why: 'job' (one with rules is due), 'meter' (its time has come), 'left' (room is to be given back)
-- index: later_ruled, meter_due; what is to be given back is read as a whole, and is little
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
)
SELECT queue, 'job'
FROM
    (
        SELECT later.queue
        FROM {schema}.{prefix}later AS later
        WHERE later.ruled <> 8 AND later.run_ms <= (SELECT moment.now_ms FROM moment)
        ORDER BY later.run_ms
        LIMIT $2
    ) AS due
UNION
SELECT queue, 'meter'
FROM {schema}.{prefix}meter
WHERE due_ms <= (SELECT moment.now_ms FROM moment)
UNION
SELECT queue, 'left'
FROM {schema}.{prefix}leaving
