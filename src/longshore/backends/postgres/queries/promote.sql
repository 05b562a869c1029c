-- verb: promote
-- parameters: now_ms (NULL: the server's clock), channel, how many
-- columns: the queues, how many of each became pending
-- index: later_due; ready_line tells whether anybody must be woken
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
due AS MATERIALIZED (
    SELECT later.ctid AS spot, later.*
    FROM {schema}.{prefix}later AS later
    WHERE later.run_ms <= (SELECT moment.now_ms FROM moment)
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
    WHERE later.ctid = due.spot
),
pending AS (
    INSERT INTO {schema}.{prefix}ready (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        updated_ms, progress, progress_note, error_text, result
    )
    SELECT
        tail.place + row_number() OVER (ORDER BY run_ms), id, 3, priority, queue, fence, failures, crashes, releases,
        session, settled, started_ms, now_ms, progress, progress_note, error_text, result
    FROM
        due,
        tail,
        moment
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
SELECT sums.queue, sums.n
FROM
    sums,
    told
