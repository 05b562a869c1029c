-- verb: promote
-- parameters: now_ms (NULL: the server's clock), channel, how many, the queues whose locks the caller holds: jobs with rules of others are left
-- columns: the queues with how many of each became pending; then a row for each of those with rules, in order: queue, 0, id, priority, place, rules
-- index: later_due; ready_line tells whether anybody must be woken
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
due AS MATERIALIZED (
    SELECT later.*
    FROM {schema}.{prefix}later AS later
    WHERE
        later.run_ms <= (SELECT moment.now_ms FROM moment)
        AND (later.ruled IS NULL OR later.ruled = 8 OR later.queue = ANY($4::text[]))
    ORDER BY later.run_ms
    LIMIT $3
    FOR UPDATE OF later SKIP LOCKED
),
tail AS MATERIALIZED (
    SELECT nextval('{schema}.{prefix}place') << 20 AS place
),
gone AS (
    DELETE FROM {schema}.{prefix}later AS later
    USING due
    WHERE later.id = due.id
),
pending AS (
    INSERT INTO {schema}.{prefix}ready (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        updated_ms, progress, progress_note, error_text, result, ruled
    )
    SELECT
        tail.place + row_number() OVER (ORDER BY run_ms), id, 3, priority, queue, fence, failures, crashes, releases,
        session, settled, started_ms, now_ms, progress, progress_note, error_text, result, ruled
    FROM
        due,
        tail,
        moment
    RETURNING id, place, priority, queue, ruled
),
sums AS MATERIALIZED (
    SELECT
        queue,
        count(*) AS n,
        min(priority) AS priority,
        (SELECT tail.place FROM tail) AS place,
        count(*) FILTER (WHERE state = 1) AS scheduled,
        count(*) FILTER (WHERE state = 5) AS retrying
    FROM due
    GROUP BY queue
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, scheduled, pending, retrying)
    SELECT queue, now_ms / 60000, -scheduled, n, -retrying
    FROM
        sums,
        moment
),
told AS MATERIALIZED (
    SELECT count(pg_notify($2, 'pending:' || queue)) AS n
    FROM sums
    WHERE
        -- part: few_near
)
SELECT sums.queue, sums.n, NULL, NULL, NULL, NULL
FROM
    sums,
    told
UNION ALL
SELECT
    queue,
    0,
    uuid_send(id),
    priority,
    place,
    (SELECT job.rules FROM {schema}.{prefix}job AS job WHERE job.id = pending.id)
FROM pending
WHERE ruled <> 8
ORDER BY 5 NULLS FIRST
