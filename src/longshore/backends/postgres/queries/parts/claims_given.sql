-- for: claims: what `head` found begins to run, and is told
spending AS MATERIALIZED (
    SELECT EXISTS (SELECT 1 FROM head WHERE ruled & 7 = 2 AND queue <> ALL($5::text[])) AS are_refused
),
gone AS (
    DELETE FROM {schema}.{prefix}ready AS ready
    USING head
    WHERE ready.ctid = head.spot AND NOT (SELECT are_refused FROM spending)
),
begun AS (
    INSERT INTO {schema}.{prefix}run (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms, progress,
        progress_note, error_text, result, ruled, aside
    )
    SELECT
        place, id, 4, priority, queue, coalesce(fence, 0) + 1, failures, crashes, releases, claimer, settled, now_ms,
        progress, progress_note, error_text, result, ruled, aside
    FROM head
    WHERE NOT (SELECT are_refused FROM spending)
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, pending, running)
    SELECT queue, now_ms / 60000, -count(*), count(*)
    FROM head
    WHERE NOT (SELECT are_refused FROM spending)
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
    head.place,
    job.rules
FROM
    head
    CROSS JOIN LATERAL (
        SELECT *
        FROM {schema}.{prefix}job
        WHERE id = head.id
        LIMIT 1
    ) AS job
WHERE NOT (SELECT are_refused FROM spending)
UNION ALL
SELECT n, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM asked
WHERE NOT is_live AND NOT (SELECT are_refused FROM spending)
UNION ALL
SELECT 0, NULL, queue, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM head
WHERE ruled & 7 = 2 AND (SELECT are_refused FROM spending)
ORDER BY 1, 5, 13
