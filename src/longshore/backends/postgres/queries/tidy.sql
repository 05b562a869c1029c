-- verb: any that counts, once in a while: what nobody needs any more is forgotten: idle meters, and unique keys whose last job is gone
-- parameters: now_ms (NULL: the server's clock), the mark behind which it looks, how many marks and meters it looks at, the queue and the name of the meter behind which it looks
-- columns: the last mark, queue and name that it looked at; NULL: there are no more marks, no more meters
-- index: the primary keys of holder, job and meter
WITH page AS MATERIALIZED (
    SELECT mark, job
    FROM {schema}.{prefix}holder
    WHERE mark > $2::bytea
    ORDER BY mark
    LIMIT $3
),
loose AS MATERIALIZED (
    SELECT holder.mark
    FROM
        page
        JOIN {schema}.{prefix}holder AS holder ON holder.mark = page.mark
    WHERE
        holder.job IS NOT DISTINCT FROM page.job
        AND NOT EXISTS (SELECT 1 FROM {schema}.{prefix}job AS job WHERE job.id = page.job)
    FOR UPDATE OF holder SKIP LOCKED
),
forgotten AS (
    DELETE FROM {schema}.{prefix}holder
    WHERE mark = ANY(ARRAY(SELECT mark FROM loose))
),
meters AS MATERIALIZED (
    SELECT queue, name
    FROM {schema}.{prefix}meter
    WHERE (queue, name) > ($4::text, $5::text)
    ORDER BY queue, name
    LIMIT $3
),
idle AS (
    DELETE FROM {schema}.{prefix}meter AS meter
    USING meters
    WHERE
        meter.queue = meters.queue
        AND meter.name = meters.name
        AND meter.idle_ms < coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) - 60000
)
SELECT
    (SELECT mark FROM page ORDER BY mark OFFSET $3 - 1),
    (SELECT queue FROM meters ORDER BY queue, name OFFSET $3 - 1),
    (SELECT name FROM meters ORDER BY queue, name OFFSET $3 - 1)
