-- verb: claim of jobs by their ids
-- parameters: now_ms (NULL: the server's clock), queues, ids (each once), sessions
-- columns: the number of the ask (from 1), id, name, payload, priority, max_attempts, fence, failures, crashes, releases, created_ms, details; an ask whose session is over has one row without an id
-- index: the primary keys of ready, job and session
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
        ) AS is_live
    FROM
        moment,
        unnest($2::text[], $3::uuid[], $4::text[]) WITH ORDINALITY AS a (queue, id, session, n)
),
head AS MATERIALIZED (
    SELECT asked.n, asked.now_ms, asked.session AS claimer, next.*
    FROM
        asked
        CROSS JOIN LATERAL (
            SELECT ready.ctid AS spot, ready.*
            FROM {schema}.{prefix}ready AS ready
            WHERE ready.id = asked.id AND ready.queue = asked.queue
            FOR UPDATE SKIP LOCKED
        ) AS next
    WHERE asked.is_live
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
