-- for: claims: who asks, whether the session lives and whether the queue is paused
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
asked AS MATERIALIZED (
    SELECT
        a.*,
        moment.now_ms,
        EXISTS (
            SELECT 1
            FROM {schema}.{prefix}session AS session
            WHERE session.name = a.session AND session.until_ms > moment.now_ms
        ) AS is_live,
        EXISTS (
            SELECT 1
            FROM {schema}.{prefix}record AS record
            WHERE
                record.kind = 'pause'
                AND record.key = a.queue
                AND (record.expires_ms IS NULL OR record.expires_ms > moment.now_ms)
                AND (
                    record.session IS NULL
                    OR EXISTS (
                        SELECT 1
                        FROM {schema}.{prefix}session AS held
                        WHERE held.name = record.session AND held.until_ms > moment.now_ms
                    )
                )
        ) AS is_paused
    FROM
        moment,
        unnest($2::text[], $3::integer[], $4::text[]) WITH ORDINALITY AS a (queue, wanted, session, n)
),
