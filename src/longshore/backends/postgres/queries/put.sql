-- verb: put
-- parameters: channel, kinds, keys (each pair once), values (NULL: delete), versions, sessions, expires_ms, the row's version as it was read (NULL: none), queues that are resumed
-- columns: the number (from 1) of each that was deleted or replaced, or the kind and key of each that was created; none where somebody else was faster
-- index: the primary key of record
WITH asked AS MATERIALIZED (
    SELECT a.*
    FROM
        unnest($2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::text[], $7::bigint[], $8::xid[])
        WITH ORDINALITY AS a (kind, key, value, version, session, expires_ms, seen, n)
    ORDER BY a.kind, a.key
),
deleted AS (
    DELETE FROM {schema}.{prefix}record AS record
    USING asked
    WHERE record.kind = asked.kind AND record.key = asked.key AND record.xmin = asked.seen AND asked.value IS NULL
    RETURNING asked.n
),
replaced AS (
    UPDATE {schema}.{prefix}record AS record
    SET value = asked.value, version = asked.version, session = asked.session, expires_ms = asked.expires_ms
    FROM asked
    WHERE
        record.kind = asked.kind AND record.key = asked.key AND record.xmin = asked.seen AND asked.value IS NOT NULL
    RETURNING asked.n
),
created AS (
    INSERT INTO {schema}.{prefix}record (kind, key, value, version, session, expires_ms)
    SELECT kind, key, value, version, session, expires_ms
    FROM asked
    WHERE seen IS NULL
    ON CONFLICT (kind, key) DO NOTHING
    RETURNING kind, key
),
told AS MATERIALIZED (
    SELECT count(pg_notify($1, 'pending:' || queue)) AS n
    FROM unnest($9::text[]) AS queue
)
SELECT stored.n, stored.kind, stored.key
FROM
    (
        SELECT n, NULL AS kind, NULL AS key
        FROM deleted
        UNION ALL
        SELECT n, NULL, NULL
        FROM replaced
        UNION ALL
        SELECT NULL, kind, key
        FROM created
    ) AS stored,
    told
