-- verb: claim
-- parameters: now_ms (NULL: the server's clock), queues (each once), counts, sessions
-- columns: the number of the ask (from 1), id, name, payload, priority, max_attempts, fence, failures, crashes, releases, created_ms, details; an ask whose session is over has one row without an id
-- index: ready_line; the primary keys of job, session and record (LIMIT 1 keeps the planner, which takes a tenth of the line for what LIMIT gives, from reading all of job)
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
head AS MATERIALIZED (
    SELECT asked.n, asked.now_ms, asked.session AS claimer, next.*
    FROM
        asked
        CROSS JOIN LATERAL (
            SELECT ready.ctid AS spot, ready.*
            FROM {schema}.{prefix}ready AS ready
            WHERE ready.queue = asked.queue
            ORDER BY ready.priority, ready.place
            LIMIT asked.wanted
            FOR UPDATE SKIP LOCKED
        ) AS next
    WHERE asked.is_live AND NOT asked.is_paused
),
gone AS (
    DELETE FROM {schema}.{prefix}ready AS ready
    USING head
    WHERE ready.ctid = head.spot
),
begun AS (
    INSERT INTO {schema}.{prefix}run (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms, progress,
        progress_note, error_text, result
    )
    SELECT
        place, id, 4, priority, queue, coalesce(fence, 0) + 1, failures, crashes, releases, claimer, settled, now_ms,
        progress, progress_note, error_text, result
    FROM head
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, pending, running)
    SELECT queue, now_ms / 60000, -count(*), count(*)
    FROM head
    GROUP BY queue, now_ms
)
SELECT
    head.n,
    uuid_send(head.id),
    job.name,
    job.payload,
    head.priority,
    job.max_attempts,
    coalesce(head.fence, 0) + 1,
    coalesce(head.failures, 0),
    coalesce(head.crashes, 0),
    coalesce(head.releases, 0),
    job.created_ms,
    job.details,
    head.place
FROM
    head
    CROSS JOIN LATERAL (
        SELECT *
        FROM {schema}.{prefix}job
        WHERE id = head.id
        LIMIT 1
    ) AS job
UNION ALL
SELECT n, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM asked
WHERE NOT is_live
ORDER BY 1, 5, 13
