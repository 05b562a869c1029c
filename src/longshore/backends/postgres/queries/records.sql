-- verb: put and get: records as they are stored
-- parameters: now_ms (NULL: the server's clock), kinds, keys (NULL: every key of the kind)
-- columns: the number (from 1) of the ask, kind, key, value, version, session, expires_ms, the row's version, whether it is not over, the store's time
-- index: the primary keys of record and session
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
asked AS MATERIALIZED (
    SELECT a.*
    FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS a (kind, key, n)
)
SELECT
    asked.n,
    record.kind,
    record.key,
    record.value,
    record.version,
    record.session,
    record.expires_ms,
    record.xmin,
    record.kind IS NOT NULL
    AND (record.expires_ms IS NULL OR record.expires_ms > moment.now_ms)
    AND (
        record.session IS NULL
        OR EXISTS (
            SELECT 1
            FROM {schema}.{prefix}session AS held
            WHERE held.name = record.session AND held.until_ms > moment.now_ms
        )
    ) AS lives,
    moment.now_ms
FROM
    moment
    CROSS JOIN asked
    LEFT JOIN {schema}.{prefix}record AS record
        ON record.kind = asked.kind AND (asked.key IS NULL OR record.key = asked.key)
ORDER BY asked.n, record.key
