-- verb: promote: what is over is dropped
-- parameters: now_ms (NULL: the server's clock), channel
-- columns: when the next job or meter is due, the store's time, none of use, whether anything that needs the lock of a queue is to be done, whether parents are to tell or to be looked for
-- index: record_mortal, edge_look, run_session, later_due, later_ruled, meter_due; the few sessions themselves are read
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
records AS (
    DELETE FROM {schema}.{prefix}record AS record
    USING moment
    WHERE
        (record.expires_ms IS NOT NULL OR record.session IS NOT NULL)
        AND (
            record.expires_ms <= moment.now_ms
            OR (
                record.session IS NOT NULL
                AND NOT EXISTS (
                    SELECT 1
                    FROM {schema}.{prefix}session AS held
                    WHERE held.name = record.session AND held.until_ms > moment.now_ms
                )
            )
        )
    RETURNING record.kind, record.key
),
sessions AS (
    DELETE FROM {schema}.{prefix}session AS session
    USING moment
    WHERE
        session.until_ms <= moment.now_ms
        AND NOT EXISTS (SELECT 1 FROM {schema}.{prefix}run AS run WHERE run.session = session.name)
)
SELECT
    least(
        (SELECT min(run_ms) FROM {schema}.{prefix}later),
        (SELECT min(due_ms) FROM {schema}.{prefix}meter),
        (SELECT min(look_ms) FROM {schema}.{prefix}edge)
    ),
    (SELECT now_ms FROM moment),
    (SELECT count(pg_notify($2, 'pending:' || key)) FROM records WHERE kind = 'pause'),
    EXISTS (SELECT 1 FROM {schema}.{prefix}leaving)
    OR EXISTS (SELECT 1 FROM {schema}.{prefix}meter WHERE due_ms <= (SELECT now_ms FROM moment))
    OR EXISTS (
        SELECT 1
        FROM {schema}.{prefix}later
        WHERE ruled <> 8 AND run_ms <= (SELECT now_ms FROM moment)
    ),
    EXISTS (SELECT 1 FROM {schema}.{prefix}telling)
    OR EXISTS (SELECT 1 FROM {schema}.{prefix}edge WHERE look_ms <= (SELECT now_ms FROM moment))
