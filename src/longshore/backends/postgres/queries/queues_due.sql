-- verb: promote: which locks it needs
-- parameters: now_ms (NULL: the server's clock), how many jobs it will look at
-- columns: a queue with due jobs with rules, with meters whose time has come, or with room that is to be given back
-- index: later_ruled, meter_due; what is to be given back is read as a whole, and is little
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
)
SELECT queue
FROM
    (
        SELECT later.queue
        FROM {schema}.{prefix}later AS later
        WHERE later.ruled IS NOT NULL AND later.run_ms <= (SELECT moment.now_ms FROM moment)
        ORDER BY later.run_ms
        LIMIT $2
    ) AS due
UNION
SELECT queue
FROM {schema}.{prefix}meter
WHERE due_ms <= (SELECT moment.now_ms FROM moment)
UNION
SELECT queue
FROM {schema}.{prefix}leaving
