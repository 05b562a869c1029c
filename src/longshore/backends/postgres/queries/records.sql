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
    LEFT JOIN LATERAL (
        SELECT kind, key, value, version, session, expires_ms, xmin
        FROM {schema}.{prefix}record
        WHERE asked.key IS NOT NULL AND kind = asked.kind AND key = asked.key
        UNION ALL
        SELECT kind, key, value, version, session, expires_ms, xmin
        FROM {schema}.{prefix}record
        WHERE asked.key IS NULL AND kind = asked.kind
    ) AS record ON TRUE
ORDER BY asked.n, record.key
