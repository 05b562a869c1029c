-- verb: every one that touches jobs with limits, turns or room
-- parameters: now_ms (NULL: the server's clock), queues in whose room somebody is let, queues whose meters and turns are changed
-- columns: the store's time and the tail's first place, as soon as the locks are held; they last until the transaction ends. Locks of rooms come first, because an application's transaction may hold one for long
-- index: none
WITH held AS MATERIALIZED (
    SELECT count(pg_advisory_xact_lock(key)) AS n
    FROM
        (
            SELECT DISTINCT kind, hashtextextended('{schema}.{prefix}' || kind || queue, 0) AS key
            FROM
                (
                    SELECT 'a room:' AS kind, unnest($2::text[]) AS queue
                    UNION ALL
                    SELECT 'flow:', unnest($3::text[])
                ) AS asked
            ORDER BY kind, key
        ) AS lock
)
SELECT
    coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint),
    nextval('{schema}.{prefix}place') << 20,
    current_setting('transaction_isolation')
FROM held
