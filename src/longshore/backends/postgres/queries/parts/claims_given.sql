-- for: claims: what `head` found begins to run, and is told
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
