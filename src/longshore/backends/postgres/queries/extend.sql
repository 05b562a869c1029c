-- verb: extend
-- parameters: now_ms (NULL: the server's clock), sessions (each once), lease_ms, whether it opens
-- columns: the session, the ids of its jobs that somebody wants stopped; no row where it is over
-- index: the primary key of session; run_cancelling
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
asked AS MATERIALIZED (
    SELECT a.name, a.lease_ms, a.opens, moment.now_ms + a.lease_ms AS until_ms
    FROM
        moment,
        unnest($2::text[], $3::bigint[], $4::boolean[]) AS a (name, lease_ms, opens)
    ORDER BY a.name
),
over AS (
    DELETE FROM {schema}.{prefix}session AS session
    USING asked
    WHERE session.name = asked.name AND asked.lease_ms <= 0
),
opened AS (
    INSERT INTO {schema}.{prefix}session (name, until_ms)
    SELECT name, until_ms
    FROM asked
    WHERE lease_ms > 0 AND opens
    ON CONFLICT (name) DO UPDATE SET until_ms = excluded.until_ms
    RETURNING name
),
prolonged AS (
    UPDATE {schema}.{prefix}session AS session
    SET until_ms = asked.until_ms
    FROM asked
    WHERE session.name = asked.name AND asked.lease_ms > 0 AND NOT asked.opens
    RETURNING session.name
)
SELECT
    held.name,
    ARRAY(
        SELECT uuid_send(run.id)
        FROM {schema}.{prefix}run AS run
        WHERE run.session = held.name AND run.cancel_requested
        ORDER BY run.id
    )
FROM (SELECT name FROM opened UNION ALL SELECT name FROM prolonged) AS held
